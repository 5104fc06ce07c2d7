"""An extension that tells what it sees, for tests of the emulator. Becomes a file of a layer, behind a ``#!`` line.

Its options come as JSON in the function's variable PROBE.
"""

import http.client
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

NAME = os.path.basename(sys.argv[0])  # noqa: PTH119 - started without site packages, as fast as Python starts
PROCESS = os.urandom(8).hex()
"""Tells the lines of one sandbox, between two resets, from those of all others."""
OPTIONS: dict[str, Any] = json.loads(os.environ.get("PROBE", "{}"))


def say(kind: str, value: Any) -> None:
    """Print one thing."""
    sys.stdout.write(json.dumps({"kind": kind, "value": value, "of": PROCESS}) + "\n")
    sys.stdout.flush()


def call(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
    """Ask one of Lambda's APIs. Returns status, headers and the answer's JSON."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, None if body is None else json.dumps(body), headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())


def tell_telemetry(records: list[dict[str, Any]]) -> None:
    """What we print of telemetry must not come back to us as telemetry that we print."""
    news = [r for r in records if r["type"] != "extension" or '"kind": "telemetry"' not in json.dumps(r["record"])]
    if news:
        say("telemetry", news)


class Listener(BaseHTTPRequestHandler):
    """Takes deliveries, after refusing as many as it was told to."""

    refusals = OPTIONS.get("refuse", 0)

    def do_POST(self) -> None:
        """One batch."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = Listener.refusals > 0
        Listener.refusals -= 1
        if not refused:
            tell_telemetry(json.loads(body))
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def take_lines(listener: socket.socket) -> None:
    """Take deliveries over TCP: a record on each line."""
    connection, _ = listener.accept()
    time.sleep(OPTIONS.get("deaf_s", 0))
    for line in connection.makefile("rb"):
        tell_telemetry([json.loads(line)])


def listen() -> dict[str, Any]:
    """Open what takes deliveries. Returns the destination to subscribe with."""
    address = OPTIONS.get("listen", "0.0.0.0")
    if OPTIONS.get("tcp"):
        listener = socket.create_server((address, 0))
        threading.Thread(target=take_lines, args=(listener,), daemon=True).start()
        return {"protocol": "TCP", "port": listener.getsockname()[1]}
    server = HTTPServer((address, 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{server.server_port}"}


def subscribe(identity: dict[str, str], destination: dict[str, Any]) -> list[Any]:
    """Ask for telemetry. Returns status and answer."""
    status, _, answer = call(
        "PUT",
        "/2022-07-01/telemetry",
        {
            "schemaVersion": OPTIONS.get("schema", "2025-01-29"),
            "types": OPTIONS.get("types", ["platform", "function"]),
            "buffering": {"timeoutMs": 25},
            "destination": destination,
        },
        identity,
    )
    return [status, answer]


def main() -> None:
    """Register, subscribe, and ask for events until SHUTDOWN."""
    say("environment", dict(os.environ))
    if OPTIONS.get("crash_in_init"):
        sys.exit(7)
    destination = listen()
    wanted = {"events": OPTIONS.get("events", ["INVOKE", "SHUTDOWN"])}
    features = {"Lambda-Extension-Name": NAME, "Lambda-Extension-Accept-Feature": "accountId"}
    status, headers, body = call("POST", "/2020-01-01/extension/register", wanted, features)
    say("registered", [status, body])
    identity = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
    if OPTIONS.get("logs_api") == "before":
        say("logs", call("PUT", "/2020-08-15/logs", {}, identity)[::2])
    say("subscribed", subscribe(identity, destination))
    if OPTIONS.get("logs_api") == "after":
        say("logs", call("PUT", "/2020-08-15/logs", {}, identity)[::2])
    if "init_error" in OPTIONS:
        error = {"Lambda-Extension-Function-Error-Type": OPTIONS["init_error"]}
        call("POST", "/2020-01-01/extension/init/error", {}, {**identity, **error})
        sys.exit(1)
    while True:
        event = call("GET", "/2020-01-01/extension/event/next", None, identity)[2]
        say("event", event)
        if event["eventType"] == "SHUTDOWN":
            time.sleep(OPTIONS.get("shutdown_s", 0.15))
            say("leaving", None)
            sys.exit(0)
        if OPTIONS.get("crash_in_invoke"):
            sys.exit(9)
        if OPTIONS.get("subscribe_late"):
            say("late", subscribe(identity, destination))
        time.sleep(OPTIONS.get("busy_s", 0))


if __name__ == "__main__":
    main()
