"""A custom runtime on bare sockets: every endpoint, bodies streamed in chunks with trailers, in both directions.

It prints what it gets: of each answer the length and the SHA-256 of all its bytes, and how a connection ended.
"""

import hashlib
import json
import os
import socket

ADDRESS = os.environ["AWS_LAMBDA_RUNTIME_API"]
HOST, PORT = ADDRESS.split(":")
VERSION = "/2018-06-01/runtime"
ERROR = {"errorMessage": "at its own wish", "errorType": "Custom.Wish", "stackTrace": []}


class EndedError(Exception):
    """The API has closed or reset the connection."""


class Api:
    """One connection, opened anew where it has ended."""

    def __init__(self):
        self._open()

    def _open(self):
        self._socket = socket.create_connection((HOST, int(PORT)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, request, pieces=()):
        """The body of the answer; None where the connection ended before it was whole."""
        self._seen = hashlib.sha256()
        self._length = 0
        try:
            try:
                self._socket.sendall(request)
                for piece in pieces:
                    self._socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # an answer may be there all the same
            body = self._read()
        except (EndedError, ConnectionResetError) as error:
            # How much of it was lost by a reset is not the same twice, without a proxy either.
            print("ended", type(error).__name__, *(() if isinstance(error, OSError) else self._told()))
            self._socket.close()
            self._open()
            return None
        print("answer", *self._told())
        return body

    def _told(self):
        return self._length, self._seen.hexdigest()

    def _receive(self):
        got = self._socket.recv(1 << 16)
        if not got:
            raise EndedError
        self._seen.update(got)
        self._length += len(got)
        return got

    def _read(self):
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            self._rest = body
            return self._read()
        names = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        self._rest = b""
        if b"transfer-encoding" in names:
            pieces, at, rest = [], 0, bytearray(body)
            while True:
                while (end := rest.find(b"\r\n", at)) < 0:
                    rest += self._receive()
                size = int(rest[at:end].partition(b";")[0], 16)
                at = end + 2
                if size == 0:
                    break
                while len(rest) < at + size + 2:
                    rest += self._receive()
                pieces.append(bytes(rest[at : at + size]))
                at += size + 2
            while not rest[at - 2 :].endswith(b"\r\n\r\n"):
                rest += self._receive()
            return b"".join(pieces)
        left = int(names.get(b"content-length", b"0")) - len(body)
        pieces = [body]
        while left > 0:
            pieces.append(self._receive())
            left -= len(pieces[-1])
        return b"".join(pieces)


def message(method, path, headers, body=None):
    lines = [f"{method} {VERSION}{path} HTTP/1.1", f"Host: {ADDRESS}", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def streamed(path, event):
    """A response in chunks, with trailers where it is to fail in the middle."""
    size, chunk = event.get("bytes", 0), event.get("chunk", 8192)
    headers = ["Lambda-Runtime-Function-Response-Mode: streaming", "Transfer-Encoding: chunked",
               "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
               "Content-Type: application/vnd.awslambda.http-integration-response", "X-Empty:"]  # fmt: skip

    def pieces():
        for at in range(0, size, chunk):
            data = bytes((at + number) & 255 for number in range(min(chunk, size - at, 256))) * (chunk // 256 + 1)
            data = data[: min(chunk, size - at)]
            yield b"%x;n=%d\r\n" % (len(data), at) + data + b"\r\n"
        trailers = b"Lambda-Runtime-Function-Error-Type: Custom.Late\r\nLambda-Runtime-Function-Error-Body: eyJ9\r\n"
        yield b"0\r\n" + (trailers if event.get("late") else b"") + b"\r\n"

    return message("POST", path, headers), pieces()


def main():
    api, error = Api(), json.dumps(ERROR).encode()
    kind = ["Lambda-Runtime-Function-Error-Type: Custom.Wish"]
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        api.ask(message("GET", "/restore/next", []))
        if os.environ.get("FAILS") == "restore":
            api.ask(message("POST", "/restore/error", kind, error))
            return
    if os.environ.get("FAILS") == "init":
        api.ask(message("POST", "/init/error?attempt=1&why=%20x", kind, error))
        return
    number = 0
    while True:
        number += 1
        body = api.ask(message("GET", f"/invocation/next?number={number}", ["Accept: */*"]))
        if body is None:
            continue
        event = json.loads(body) if body else {}
        path = f"/invocation/id-{number}"
        if event.get("do") == "raise":
            api.ask(message("POST", f"{path}/error", [*kind, "Lambda-Runtime-Function-XRay-Error-Cause: {}"], error))
        elif event.get("do") == "stream":
            api.ask(*streamed(f"{path}/response", event))
        else:
            api.ask(message("POST", f"{path}/response?a=b&c", ["X-a:  b "], b"z" * event.get("bytes", 0)))


if __name__ == "__main__":
    main()
