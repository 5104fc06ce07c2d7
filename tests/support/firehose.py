"""A Firehose destination: keeps what it was delivered, and reads the points of JSON records."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.deliveries.append((dict(self.headers), body))  # type: ignore[attr-defined]
        answer = json.dumps({"requestId": body["requestId"], "timestamp": body["timestamp"]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


class FirehoseEndpoint:
    """A running destination."""

    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}/firehose"
        self.deliveries: list[tuple[dict[str, str], dict[str, Any]]] = server.deliveries  # type: ignore[attr-defined]

    def points(self) -> list[dict[str, Any]]:
        """The points of all JSON records, in the order in which they came."""
        return [
            json.loads(line)
            for _, body in list(self.deliveries)
            for record in body["records"]
            for line in base64.b64decode(record["data"]).splitlines()
        ]

    def last(self, metric: str, **dimensions: str) -> list[dict[str, Any]]:
        """Each minute's last value of a metric under exactly these dimensions."""
        values: dict[int, dict[str, Any]] = {}
        for point in self.points():
            if point["metric_name"] == metric and point["dimensions"] == dimensions:
                values[point["timestamp"]] = point["value"]
        return [values[at] for at in sorted(values)]

    def total(self, metric: str, **dimensions: str) -> float:
        """The sum over all minutes."""
        return float(sum(value["sum"] for value in self.last(metric, **dimensions)))


@contextlib.contextmanager
def firehose_endpoint() -> Iterator[FirehoseEndpoint]:
    """A destination for the time of a block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.deliveries = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield FirehoseEndpoint(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
