"""A ClickHouse server for tests: the embedded engine behind ClickHouse's HTTP interface, with writes.

``python -m tests.support.clickhouse_server FOLDER PORT`` serves until it is killed. It has no users, no sessions and no
progress headers, and runs one statement at a time.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import lz4.frame  # type: ignore[import-untyped]  # it ships no types
from backports import zstd

ROOT = Path(__file__).parents[2]
_INSERT = re.compile(r"\s*INSERT\s+INTO\s+(?P<target>.+?)\s+FORMAT\s+(?P<format>\w+)\s*", re.DOTALL | re.IGNORECASE)
_NO_SETTINGS = re.compile(
    r"query|query_id|database|default_format|session_\w+|param_\w+|client_protocol_version|enable_http_compression"
    r"|compress|decompress|wait_end_of_query|send_progress_in_http_headers|user|password|http_\w+|cancel_http\w+"
)


def _lz4(data: bytes) -> bytes:
    """All frames: clickhouse-connect makes one of each block, and the library's own function reads the first alone."""
    found = []
    while data:
        decompressor = lz4.frame.LZ4FrameDecompressor()
        found.append(decompressor.decompress(data))
        data = decompressor.unused_data or b""
    return b"".join(found)


_DECODERS = {"lz4": _lz4, "zstd": zstd.decompress, "gzip": gzip.decompress}


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _Engine:
    def __init__(self, folder: str) -> None:
        import chdb

        self._connection = chdb.connect(folder)
        self._lock = threading.Lock()

    def run(self, fields: dict[str, str], body: bytes) -> bytes:
        settings = [f"{name}={_quoted(value)}" for name, value in fields.items() if not _NO_SETTINGS.fullmatch(name)]
        query = fields.get("query", "")
        with self._lock:
            self._connection.query(f"USE `{fields.get('database') or 'default'}`")
            head = query if _INSERT.fullmatch(query) else body[:4096].partition(b"\n")[0].decode(errors="replace")
            if insert := _INSERT.fullmatch(head):
                return self._insert(insert, body if query else body.partition(b"\n")[2], settings)
            text = f"{query}\n{body.decode()}".strip()
            params = {name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")}
            result: Any = self._connection.query(text, fields.get("default_format") or "TabSeparated", params=params)
            return bytes(result.bytes() or b"")

    def _insert(self, insert: re.Match[str], data: bytes, settings: list[str]) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".data") as file:
            file.write(data)
            file.flush()
            clause = f" SETTINGS {', '.join(settings)}" if settings else ""
            self._connection.query(
                f"INSERT INTO {insert['target']} FROM INFILE {_quoted(file.name)}{clause} FORMAT {insert['format']}"
            )
        return b""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: _Engine

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        decode = _DECODERS.get(self.headers.get("Content-Encoding", ""))
        self._serve(decode(body) if decode else body)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _serve(self, body: bytes) -> None:
        parts = urllib.parse.urlsplit(self.path)
        fields = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        if parts.path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        try:
            status, answer, headers = 200, self.engine.run(fields, body), {}
        except Exception as error:  # noqa: BLE001  # chdb raises several kinds
            text = str(error)
            code = re.search(r"Code: (\d+)", text)
            status, answer = 500, text[text.find("Code:") :].encode()
            headers = {"X-ClickHouse-Exception-Code": code[1] if code else "0"}
        self._answer(status, answer, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        fields = {"Content-Length": str(len(body)), "X-ClickHouse-Timezone": "UTC", **(headers or {})}
        with contextlib.suppress(ConnectionError):  # a client that did not wait
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


def main(folder: str, port: int) -> None:
    _Handler.engine = _Engine(folder)
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    server.serve_forever()


def free_port() -> int:
    """A port that nobody listens on, for what must keep it over a restart."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class ClickHouseServer:
    """The server as a process that can be killed and started again on the same folder and port."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self.port = folder, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.support.clickhouse_server", str(self._folder / "store"), str(self.port)]
        self._process = subprocess.Popen(command, env=environ, cwd=self._folder)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5):
                return
            assert self._process.poll() is None, "the server ended at its start"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
