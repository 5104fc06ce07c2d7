"""The collector's own log as JSON, one object to a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """Field names are OpenTelemetry's for log records, lower case."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity_text": record.levelname,
            "logger": record.name,
            "body": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def write_json() -> None:
    """From now on, whatever is logged."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
