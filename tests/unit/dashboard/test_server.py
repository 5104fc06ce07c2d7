"""What is put into the HTML page, and that nothing else is touched."""

import asyncio
import gzip
import re
from typing import Any

import pytest

from dashboard import browser
from dashboard.server import Arrivals, Modules, TellBase


def respond(content_type: str, body: list[bytes], accept: str = "text/html,*/*"):
    """What a browser gets from an application that answers so, and the request headers that the application saw."""
    seen: list[tuple[bytes, bytes]] = []

    async def application(scope, receive, send):
        seen.extend(scope["headers"])
        length = str(sum(map(len, body))).encode()
        headers = [(b"content-type", content_type.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at, chunk in enumerate(body):
            await send({"type": "http.response.body", "body": chunk, "more_body": at < len(body) - 1})

    sent: list[dict[str, Any]] = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing to read")

    scope = {"type": "http", "headers": [(b"accept", accept.encode()), (b"accept-encoding", b"gzip")]}
    asyncio.run(TellBase(application, ["", "sql", "cold_starts"])(scope, receive, send))
    return dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:]), dict(seen)


def test_the_page_gets_the_script_first_thing():
    headers, body, _ = respond("text/html; charset=utf-8", [b"<html><he", b"ad><title></title></head></html>"])
    assert body.startswith(b"<html><head><script>")
    assert b'["sql", "cold_starts"]' in body
    assert headers[b"content-length"] == str(len(body)).encode()


def test_a_page_is_asked_for_uncompressed():
    assert b"accept-encoding" not in respond("text/html", [b"<head>"])[2]


@pytest.mark.parametrize(
    ("content_type", "accept"), [("application/javascript", "*/*"), ("text/css", "text/html"), ("text/html", "*/*")]
)
def test_nothing_else_is_touched(content_type, accept):
    headers, body, _ = respond(content_type, [b"<head>", b"x"], accept)
    assert (body, headers[b"content-length"]) == (b"<head>x", b"7")


PAGE_WANTED = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("kind", "path", "accept", "comes"),
    [
        ("http", "/", PAGE_WANTED, 1),
        ("http", "/behind/a/proxy/invocations", PAGE_WANTED, 1),
        ("http", "/static/js/index.js", "*/*", 0),
        ("websocket", "/_stcore/stream", "", 1),
        ("http", "/_stcore/health", "*/*", 0),
        ("http", "/behind/a/proxy/_stcore/health", "", 0),
        ("lifespan", "", "", 0),
    ],
)
def test_who_comes_for_a_page_is_told_of_and_a_load_balancer_is_not(kind, path, accept, comes):
    seen: list[int] = []
    passed: list[str] = []

    async def application(scope, receive, send):
        passed.append(scope["type"])

    async def unused(*_: Any) -> Any:
        raise AssertionError("nothing is read or sent")

    scope = {"type": kind, "method": "GET", "path": path, "headers": [(b"accept", accept.encode())]}
    asyncio.run(Arrivals(application, lambda: seen.append(1), drawn=seen.clear)(scope, unused, unused))
    assert len(seen) == comes
    assert passed == [kind]


@pytest.mark.parametrize(
    ("method", "path", "says"),
    [
        ("POST", "/lambdascope/drawn", True),
        ("POST", "/behind/a/proxy/lambdascope/drawn", True),
        ("GET", "/lambdascope/drawn", False),
        ("POST", "/lambdascope/drawn/more", False),
    ],
)
def test_a_browser_says_that_it_has_drawn(method, path, says):
    told: list[str] = []
    sent: list[dict[str, Any]] = []

    async def application(scope, receive, send):
        told.append("passed on")

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    arrivals = Arrivals(application, seen=lambda: told.append("seen"), drawn=lambda: told.append("drawn"))
    asyncio.run(arrivals(scope, receive, send))
    assert told == (["drawn"] if says else ["passed on"])
    assert [one["status"] for one in sent if one["type"] == "http.response.start"] == ([204] if says else [])


def module(path: str, *, encoding: str = "gzip, br") -> tuple[int, dict[bytes, bytes], bytes]:
    """What a browser gets for a path; 0 where the request is passed on."""
    sent: list[dict[str, Any]] = []

    async def application(scope, receive, send):
        pass

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing is read")

    headers = [(b"accept-encoding", encoding.encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    asyncio.run(Modules(application)(scope, receive, send))
    if not sent:
        return 0, {}, b""
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:])


BEFORE = f"/{browser.folder()}"


@pytest.mark.parametrize("prefix", ["", "/behind/a/proxy"])
def test_the_page_names_a_module_that_is_there_and_kept_for_good(prefix):
    _, page, _ = respond("text/html", [b"<head>"])
    (entry,) = re.findall(r'import\(url \+ "([^"]+)"\)', page.decode())
    status, headers, body = module(f"{prefix}/{entry}")
    assert (status, headers[b"content-encoding"]) == (200, b"gzip")
    assert headers[b"content-type"].startswith(b"text/javascript")
    assert b"immutable" in headers[b"cache-control"]
    assert gzip.decompress(body) == (browser.HERE / "charts.js").read_bytes()
    assert b".lsc-plot" in page


def test_every_module_that_one_imports_is_there_for_who_packs_nothing_too():
    for name, content in browser.files().items():
        if name.startswith("vendor/"):
            continue
        for imported in re.findall(r'from "\./([^"]+)"', gzip.decompress(content).decode()):
            status, headers, body = module(BEFORE + imported, encoding="")
            assert (status, body) == (200, (browser.HERE / imported).read_bytes())
            assert b"content-encoding" not in headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (BEFORE + "none.js", 404),
        (BEFORE + "../server.py", 404),
        (BEFORE + "__init__.py", 404),
        ("/lambdascope/charts/0000000000000000/charts.js", 0),
        ("/static/js/index.js", 0),
    ],
)
def test_nothing_but_a_module_is_answered_with(path, status):
    assert module(path)[0] == status
