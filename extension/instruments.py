"""The metrics that the extension can send, one row each: name, kind, unit, description, bounds.

Names, units and bounds are those of OpenTelemetry's semantic conventions ("Semantic conventions for FaaS metrics",
"… for system metrics"); what has no convention carries the prefix ``lambda.sandbox.``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

COUNTER, GAUGE, HISTOGRAM, OBSERVED = "counter", "gauge", "histogram", "observed"
"""OBSERVED: a counter that somebody else keeps, here the kernel; what is read is its total."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_BYTES = tuple(float(mib << 20) for mib in (32, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 5120, 10240))


class Instrument:
    """One metric.

    Attributes:
        kind: COUNTER, GAUGE, HISTOGRAM or OBSERVED.
        bounds: upper bounds of a histogram's buckets, but for the last.
    """

    __slots__ = ("bounds", "description", "kind", "name", "unit")

    def __init__(self, name: str, kind: str, unit: str, description: str, bounds: tuple[float, ...] = ()) -> None:
        self.name = name
        self.kind = kind
        self.unit = unit
        self.description = description
        self.bounds = bounds


INVOKE_DURATION: Final = Instrument(
    "faas.invoke_duration", HISTOGRAM, "s", "Measures the duration of the function's logic execution.", _SECONDS
)
INIT_DURATION: Final = Instrument(
    "faas.init_duration", HISTOGRAM, "s", "Measures the duration of the function's initialization.", _SECONDS
)
COLDSTARTS: Final = Instrument("faas.coldstarts", COUNTER, "{coldstart}", "Number of invocation cold starts.")
ERRORS: Final = Instrument("faas.errors", COUNTER, "{error}", "Number of invocation errors.")
INVOCATIONS: Final = Instrument("faas.invocations", COUNTER, "{invocation}", "Number of successful invocations.")
TIMEOUTS: Final = Instrument("faas.timeouts", COUNTER, "{timeout}", "Number of invocation timeouts.")
MEM_USAGE: Final = Instrument(
    "faas.mem_usage", HISTOGRAM, "By", "Distribution of max memory usage per invocation.", _BYTES
)

CPU_TIME: Final = Instrument("system.cpu.time", OBSERVED, "s", "Seconds each mode took, of all processors.")
MEMORY_USAGE: Final = Instrument("system.memory.usage", GAUGE, "By", "Memory in use, and free for use.")
FILESYSTEM_USAGE: Final = Instrument("system.filesystem.usage", GAUGE, "By", "What of /tmp is used, and free.")
NETWORK_IO: Final = Instrument("system.network.io", OBSERVED, "By", "Bytes received and sent.")
FILE_DESCRIPTORS: Final = Instrument(
    "lambda.sandbox.file_descriptors", GAUGE, "{file_descriptor}", "Open in all processes that are to be seen."
)
THREADS: Final = Instrument("lambda.sandbox.threads", GAUGE, "{thread}", "Of all processes that are to be seen.")
PROCESSES: Final = Instrument("system.process.count", GAUGE, "{process}", "Those that are to be seen.")
