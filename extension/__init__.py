"""The Lambda extension: telemetry of the platform in, OTLP out.

It runs in the customer's sandbox, where every import is paid for in cold start. Until the first ``GET /next`` it loads
nothing but C modules of the interpreter and its own small ones; what may be loaded later is held by a test.

The way of the data: ``listener`` (deliveries of the Telemetry API) → ``parsing`` (typed records; pure) → ``lifecycle``
(spans; pure) → ``otlp`` (bytes; pure) → ``batches`` (bounded queue) → ``exporter`` (OTLP/HTTP). ``agent`` joins them to
the loop of the Extensions API.
"""

from __future__ import annotations

__version__ = "0.1.0"
