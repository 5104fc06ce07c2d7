"""AWS on this machine: moto's server, and a proxy in front that adds what real AWS does and moto does not.

The proxy cuts answers into pages, answers with throttling or expired credentials as it is told, counts requests, and
knows the two operations of Lambda that moto lacks.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.server import ThreadedMotoServer

_LAMBDA = (
    ("GetAccountSettings", r"/2016-08-19/account-settings/?"),
    ("ListProvisionedConcurrencyConfigs", r"/2019-09-30/functions/[^/]+/provisioned-concurrency"),
    ("GetFunctionConcurrency", r"/[\d-]+/functions/[^/]+/concurrency/?"),
    ("ListVersionsByFunction", r"/[\d-]+/functions/[^/]+/versions/?"),
    ("ListAliases", r"/[\d-]+/functions/[^/]+/aliases/?"),
    ("ListEventSourceMappings", r"/[\d-]+/event-source-mappings/?"),
    ("ListFunctions", r"/[\d-]+/functions/?"),
)
_PAGED = {"ListFunctions": "Functions", "ListVersionsByFunction": "Versions", "ListAliases": "Aliases"}


class Aws:
    """The proxy's controls.

    Attributes:
        page_size: items of a page; None leaves answers whole.
        faults: of an operation, the codes with which its next requests are answered.
        calls: requests by operation, faults included.
        account_limits: concurrency of the account, and what of it is unreserved.
        provisioned: what ListProvisionedConcurrencyConfigs tells, by function.
    """

    def __init__(self, moto_port: int) -> None:
        self.moto_port = moto_port
        self.page_size: int | None = None
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.calls: Counter[str] = Counter()
        self.account_limits = (1000, 1000)
        self.provisioned: dict[str, list[dict[str, Any]]] = {}
        self.lock = threading.Lock()
        self._held: dict[str, list[Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"aws": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def page(self, items: list[Any], token: str | None) -> tuple[list[Any], str | None]:
        """The first page of the items, or the one behind a token; and the next token."""
        with self.lock:
            rest = items if token is None else self._held.pop(token)
            size = self.page_size or max(1, len(rest))
            if len(rest) <= size:
                return rest, None
            following = f"page-{len(self._held)}-{id(rest)}"
            self._held[following] = rest[size:]
            return rest[:size], following


class _Handler(BaseHTTPRequestHandler):
    aws: Aws
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self._operation(body)
        with self.aws.lock:
            self.aws.calls[operation] += 1
            faults = self.aws.faults[operation]
            fault = faults.pop(0) if faults else None
        if fault:
            self._answer(*self._fault(fault))
        elif operation == "GetAccountSettings":
            concurrent, unreserved = self.aws.account_limits
            limit = {"ConcurrentExecutions": concurrent, "UnreservedConcurrentExecutions": unreserved}
            self._json({"AccountLimit": limit, "AccountUsage": {"FunctionCount": 3, "TotalCodeSize": 4096}})
        elif operation == "ListProvisionedConcurrencyConfigs":
            name = self.path.split("/")[3]
            self._json({"ProvisionedConcurrencyConfigs": self.aws.provisioned.get(name, [])})
        elif operation == "GetMetricData" and (token := json.loads(body).get("NextToken")):
            self._answer(200, {"Content-Type": "application/json"}, self._metrics_page([], token))
        else:
            self._pass_on(operation, body)

    def _operation(self, body: bytes) -> str:
        if target := self.headers.get("X-Amz-Target"):
            return str(target).rpartition(".")[2]
        path = self.path.partition("?")[0]
        if match := re.search(rb"Action=(\w+)", body):
            return match[1].decode()
        return next((name for name, pattern in _LAMBDA if re.fullmatch(pattern, path)), path)

    def _fault(self, code: str) -> tuple[int, dict[str, str], bytes]:
        status = 429 if code == "TooManyRequestsException" else 400 if "Throttl" in code else 403
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>from the proxy</Message></Error></ErrorResponse>"
            return status, {"Content-Type": "text/xml"}, xml.encode()
        content = json.dumps({"message": f"{code} from the proxy", "__type": code}).encode()
        return status, {"Content-Type": "application/json", "x-amzn-ErrorType": code}, content

    def _pass_on(self, operation: str, body: bytes) -> None:
        path, token = self.path, None
        if operation in _PAGED and (match := re.search(r"[?&]Marker=([^&]+)", path)):
            token = match[1]
        connection = http.client.HTTPConnection("127.0.0.1", self.aws.moto_port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request(self.command, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        answered = {
            name: value
            for name, value in response.getheaders()
            if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}
        }
        connection.close()
        if response.status == 200 and operation in _PAGED:
            content = self._paged_json(_PAGED[operation], content, token)
        if response.status == 200 and operation == "GetMetricData":
            content = self._paged_metrics(content)
        self._answer(response.status, answered, content)

    def _paged_json(self, key: str, content: bytes, token: str | None) -> bytes:
        document = json.loads(content)
        document[key], following = self.aws.page(document.get(key, []), token)
        document.pop("NextMarker", None)
        if following:
            document["NextMarker"] = following
        return json.dumps(document).encode()

    def _paged_metrics(self, content: bytes) -> bytes:
        """One answer as several: CloudWatch ends a page where it likes, in the middle of a query's values too."""
        document = json.loads(content)
        values = [
            {"Id": one["Id"], "StatusCode": "Complete", "Timestamps": [at], "Values": [value]}
            for one in document["MetricDataResults"]
            for at, value in zip(one["Timestamps"], one["Values"], strict=True)
        ]
        return self._metrics_page(values, None)

    def _metrics_page(self, values: list[Any], token: str | None) -> bytes:
        page, following = self.aws.page(values, token)
        document = {"MetricDataResults": page, "Messages": [], **({"NextToken": following} if following else {})}
        return json.dumps(document).encode()

    def _json(self, document: dict[str, Any]) -> None:
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def local_aws() -> Iterator[Aws]:
    """moto's server behind the proxy."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    aws = Aws(port)
    try:
        yield aws
    finally:
        aws.close()
        server.stop()
