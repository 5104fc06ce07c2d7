"""ClickHouse's HTTP interface."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import string
import sys
import uuid
import zlib
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from collector.errors import RequestError, UnauthenticatedError
from collector.receiver.access import SCHEME
from collector.receiver.compression import decompress
from collector.sql import hello
from collector.sql.errors import AUTHENTICATION_FAILED, BAD_ARGUMENTS, QUERY_IS_TOO_LARGE, SYNTAX_ERROR, QueryError
from collector.sql.guard import Query, check, check_beginning
from collector.sql.running import Result
from collector.sql.settings import Options, SqlLimits, from_headers, options

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.receiver.access import Gate
    from collector.sql.engine import Answer, Engine

MAX_QUERY_BYTES: Final = 1 << 20
_NAME: Final = "lambdascope"

# LZ4, with which clickhouse-connect compresses insertions and which is not read here, leaves a text's first words as
# they are, behind a few bytes of header. They only decide how the refusal is worded.
_INSERT: Final = re.compile(rb"INSERT(?= INTO )")
_BEGINNING_BYTES: Final = 64

_CONTENT_TYPES: Final = {
    "tabseparated": "text/tab-separated-values; charset=UTF-8",
    "tsv": "text/tab-separated-values; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsonstrings": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "jsoncompacteachrow": "application/x-ndjson; charset=UTF-8",
    "xml": "application/xml; charset=UTF-8",
}
_TEXT: Final = "text/plain; charset=UTF-8"
_BINARY: Final = "application/octet-stream"
_BINARY_FORMATS: Final = (
    "native",
    "arrow",
    "parquet",
    "rowbinary",
    "orc",
    "avro",
    "msgpack",
    "protobuf",
    "npy",
    "bson",
)

_GZIP_WBITS: Final = 31
_COMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": zstd.ZstdCompressor,
    "gzip": lambda: zlib.compressobj(3, wbits=_GZIP_WBITS),
    "deflate": lambda: zlib.compressobj(3),
}

SEND_WITHIN_S: Final = 30.0
"""How long a client may take over a chunk of a large result. It holds one of the few queries that run at once."""
_TAG_LETTERS: Final = 16


class SqlServer:
    """The application on 8123."""

    def __init__(self, engine: Engine, limits: SqlLimits, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate
        self._limits = limits

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application(client_max_size=MAX_QUERY_BYTES)
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/", self._query)
        app.router.add_post("/", self._query)
        app.router.add_options("/", self._preflight)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _preflight(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Allow": "OPTIONS, GET, HEAD, POST"})

    async def _query(self, request: web.Request) -> web.StreamResponse:
        query_id = request.query.get("query_id") or str(uuid.uuid4())
        headers = {
            "X-ClickHouse-Query-Id": query_id if query_id.isprintable() else "",
            "X-ClickHouse-Server-Display-Name": _NAME,
            "X-ClickHouse-Timezone": self._engine.timezone,
        }
        try:
            self._authenticate(request)
            return await self._answer(request, headers)
        except QueryError as error:
            headers["X-ClickHouse-Exception-Code"] = str(error.code)
            headers["Content-Type"] = _TEXT
            return web.Response(status=error.http_status, body=error.text.encode() + b"\n", headers=headers)

    def _authenticate(self, request: web.Request) -> None:
        """The password, as ClickHouse takes it: in the URL, in its own header, or as basic authentication."""
        password = request.headers.get("X-ClickHouse-Key") or request.query.get("password", "")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            password = _basic_password(given)
        elif scheme.lower() == "bearer":
            password = given
        try:
            self._gate.check(f"{SCHEME} {password}")
        except UnauthenticatedError:
            message = "Authentication failed: password is incorrect, or there is no user with such name."
            raise QueryError.worded(AUTHENTICATION_FAILED, message) from None

    async def _answer(self, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
        check_beginning(request.query.get("query", ""))  # first: the body of an INSERT is data, not to be read as SQL
        fields, body = await _read(request)
        asked = options(fields, self._limits)
        text = _join(asked.query, body)
        if not text and request.method in {"GET", "HEAD"}:
            return web.Response(text="Ok.\n", headers=headers)
        query = check(text, self._engine.table_functions)
        if request.method == "HEAD":
            return web.Response(headers=headers)
        if hello.is_hello(text, fields.get("client_protocol_version", "")):
            block = hello.answer(_NAME, self._engine.version, self._engine.timezone)
            return await _whole(request, asked, Query(text, "Native"), Result(block, 1, len(block), 0), headers)
        async with self._engine.answer(query, asked) as answer:
            if not answer.ended:
                return await _streamed(request, asked, query, answer, headers)
        return await _whole(request, asked, query, answer.first, headers)


def _basic_password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


async def _read(request: web.Request) -> tuple[dict[str, str], str]:
    """The fields of the headers, of the URL and of a form, of which the later ones win; and the query in the body."""
    fields = from_headers(request.headers) | dict(request.query)
    raw = plain = b""
    try:
        if request.content_type == "multipart/form-data":
            form = await request.post()
            fields |= {name: value for name, value in form.items() if isinstance(value, str)}
            return fields, ""
        raw = await request.read()
        plain = decompress(raw, request.headers.get("Content-Encoding", ""), MAX_QUERY_BYTES)
        return fields, plain.decode()
    except web.HTTPRequestEntityTooLarge:
        raise QueryError.worded(QUERY_IS_TOO_LARGE, f"Query is larger than {MAX_QUERY_BYTES} bytes") from None
    except RequestError as error:
        if match := _INSERT.search(raw, 0, _BEGINNING_BYTES):
            check_beginning(match[0].decode())
        raise QueryError.worded(BAD_ARGUMENTS, str(error)) from None
    except UnicodeDecodeError:
        check_beginning(plain.decode(errors="replace"))
        raise QueryError.worded(SYNTAX_ERROR, "The query is not UTF-8") from None


def _join(in_url: str, in_body: str) -> str:
    """ClickHouse puts the body after the URL's query."""
    return f"{in_url}\n{in_body}" if in_url and in_body else in_url or in_body


def _described(
    request: web.Request, asked: Options, query: Query, result: Result, headers: dict[str, str]
) -> tuple[dict[str, str], Any]:
    """The headers of an answer, and what compresses it; None where nothing does."""
    name = query.format or asked.default_format
    summary = {
        "read_rows": str(result.read_rows),
        "read_bytes": str(result.read_bytes),
        "written_rows": "0",
        "written_bytes": "0",
        "total_rows_to_read": str(result.read_rows),
        "result_bytes": str(len(result.body)),
        "elapsed_ns": str(result.elapsed_ns),
    }
    headers = {
        **headers,
        "X-ClickHouse-Format": name,
        "X-ClickHouse-Summary": json.dumps(summary),
        "Content-Type": content_type(name),
    }
    if asked.http_compression and (encoding := accepted(request.headers.get("Accept-Encoding", ""))):
        return {**headers, "Content-Encoding": encoding}, _COMPRESSORS[encoding]()
    return headers, None


async def _whole(
    request: web.Request, asked: Options, query: Query, result: Result, headers: dict[str, str]
) -> web.StreamResponse:
    """A result that is there to its end."""
    headers, compressor = _described(request, asked, query, result, headers)
    body = result.body
    if compressor:
        body = await asyncio.to_thread(lambda: compressor.compress(body) + compressor.flush())
    return web.Response(body=body, headers=headers)


async def _streamed(
    request: web.Request, asked: Options, query: Query, answer: Answer, headers: dict[str, str]
) -> web.StreamResponse:
    """A result that is sent while the query runs. Its summary is that of its beginning.

    Where it fails, the error is the last of the body, between tags that the headers have named, and the last chunk of
    HTTP's is missing: as from a server since 25.11.
    """
    tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_TAG_LETTERS))
    headers, compressor = _described(request, asked, query, answer.first, headers)
    response = web.StreamResponse(headers={**headers, "X-ClickHouse-Exception-Tag": tag})

    async def send(data: bytes, *, last: bool = False) -> None:
        if compressor:
            end = compressor.flush if last else bytes
            data = await asyncio.to_thread(lambda: compressor.compress(data) + end())
        if data:
            async with asyncio.timeout(SEND_WITHIN_S):
                await response.write(data)

    transport = request.transport
    await response.prepare(request)
    try:
        try:
            await send(answer.first.body)
            async for chunk in answer.rest():
                await send(chunk)
            await send(b"", last=True)
        except QueryError as error:
            await send(exception_block(tag, error.text), last=True)
            if transport is not None:
                transport.close()  # behind what was written
    except TimeoutError:
        if transport is not None:
            transport.abort()
    return response


def exception_block(tag: str, text: str) -> bytes:
    """An error behind a part of a result, which clients find by the tag."""
    message = text.encode() + b"\n"
    tagged = tag.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tagged, message, len(message), tagged)


def content_type(format_name: str) -> str:
    """Of a result in this format."""
    name = format_name.lower()
    if name in _CONTENT_TYPES:
        return _CONTENT_TYPES[name]
    if name.startswith(_BINARY_FORMATS):
        return _BINARY
    if name.startswith(("tabseparated", "tsv")):
        return _CONTENT_TYPES["tsv"]
    return _CONTENT_TYPES["json"] if name.startswith("json") else _TEXT


def accepted(accept_encoding: str) -> str:
    """The first encoding that both sides know; empty for none."""
    for item in accept_encoding.split(","):
        name, _, weight = item.strip().partition(";")
        if name.strip().lower() in _COMPRESSORS and weight.replace(" ", "") not in {"q=0", "q=0.0"}:
            return name.strip().lower()
    return ""
