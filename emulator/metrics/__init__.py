"""CloudWatch's AWS/Lambda metrics of what the emulator does, as a metric stream that Firehose delivers.

``MetricAggregator`` turns samples into minutes, ``formats`` writes them as CloudWatch does, ``firehose`` delivers them.
All but the sender is pure.
"""

from emulator.metrics.aggregate import ACCOUNT, Mapping, MetricAggregator, Target
from emulator.metrics.catalogue import METRICS, Metric, Unit
from emulator.metrics.errors import DeliveryError, RejectedError, RetriesOverError
from emulator.metrics.firehose import Delivery, FirehoseSender, FirehoseSettings, deliveries
from emulator.metrics.formats import FORMATS, json_record, opentelemetry_record, records
from emulator.metrics.meter import Concurrency, Meter
from emulator.metrics.points import MetricPoint, MetricStream

__all__ = [
    "ACCOUNT",
    "FORMATS",
    "METRICS",
    "Concurrency",
    "Delivery",
    "DeliveryError",
    "FirehoseSender",
    "FirehoseSettings",
    "Mapping",
    "Meter",
    "Metric",
    "MetricAggregator",
    "MetricPoint",
    "MetricStream",
    "RejectedError",
    "RetriesOverError",
    "Target",
    "Unit",
    "deliveries",
    "json_record",
    "opentelemetry_record",
    "records",
]
