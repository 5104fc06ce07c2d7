"""What happens before Streamlit's own code runs: who may come in, and what the browser must know."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response

from dashboard import browser
from dashboard.access import Access, Identity

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARK: Final = b"<head>"
DRAWN: Final = "lambdascope/drawn"
"""Where a browser says that it has drawn a page: beside Streamlit's own paths, whatever a proxy puts before them."""

SCRIPT: Final = """<script>
(function () {
  const pages = %s;
  const path = window.location.pathname.replace(/\\/+$/, "");
  const cut = path.lastIndexOf("/");
  const base = pages.includes(path.slice(cut + 1)) ? path.slice(0, cut) : path;
  const url = window.location.origin + base + "/";
  window.__streamlit = { BACKEND_BASE_URL: url, MAIN_PAGE_BASE_URL: url };
  window.lambdascopeCharts = import(url + "%s");

  const push = window.history.pushState;
  let queryPushed = false;
  for (const gesture of ["pointerdown", "keydown", "popstate"]) {
    window.addEventListener(gesture, function () { queryPushed = false; }, true);
  }
  window.history.pushState = function (state, title, to) {
    const next = new URL(to, window.location.href);
    const otherPath = next.pathname !== window.location.pathname;
    const otherQuery = next.search !== window.location.search;
    if (otherPath && !otherQuery && queryPushed) {
      queryPushed = false;
      return window.history.replaceState(state, title, to);
    }
    queryPushed = otherQuery && !otherPath;
    return push.call(window.history, state, title, to);
  };

  let drawn;
  const whenIdle = window.requestIdleCallback || function (then) { window.setTimeout(then, 200); };
  window.setInterval(function () {
    const run = document.querySelector('[data-testid="lambdascope-ready"]')?.dataset.run;
    if (run && run !== drawn) {
      drawn = run;
      whenIdle(function () { navigator.sendBeacon(url + "%s"); });
    }
  }, 100);
})();
</script>"""
"""The code of our own charts, which is fetched beside Streamlit's, and three things that Streamlit leaves undone.

Where the server is: without it the browser asks, for a link such as /invocations, first for
/invocations/_stcore/health, gets 404, and asks again one level up: two errors in its console and a round trip lost.

One step back: st.switch_page writes two entries into the browser's history, the new query under the old page and then
the new page. Where nobody touched anything between the two, the second takes the place of the first here, so that one
press of Back leads to where one came from.

Whether it has drawn: only the browser knows when it has no more to do for a page that is complete, and says so then.
"""


HEALTH_PATHS: Final = ("/_stcore/health", "/_stcore/script-health-check")
"""What a load balancer asks; neither has data."""


class Gate:
    """ASGI middleware that lets in whom a trusted proxy names and the list allows. In other modes it lets all pass: the
    pages themselves ask for a login there.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, with a sentence that says why, or pass the request on."""
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Refused before it is accepted, which the server answers with 403 (ASGI specification, "Close").
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        proxy = self._access.proxy
        if proxy is None or scope["type"] not in {"http", "websocket"} or scope["path"].endswith(HEALTH_PATHS):
            return None
        peer = (scope.get("client") or ("",))[0]
        if not proxy.speaks_from(peer):
            return "Come through the proxy that asks who you are: this port answers nobody else."
        email = Headers(scope=scope).get(proxy.header.lower(), "").strip()
        if not email:
            return f"The proxy has not said who you are: the header {proxy.header} is missing."
        if not self._access.allow.allows(Identity(email)):
            return f"{email} is not on the list of people who may look (LAMBDASCOPE_AUTH_ALLOW)."
        return None


class Arrivals:
    """ASGI middleware that tells of whoever comes: while their browser still loads the page, it has work enough. They
    ask for a page, or begin to talk to it; what else their browser fetches comes with that, or with no wait after it.
    And of whoever has drawn what they came for.
    """

    def __init__(self, app: ASGIApp, seen: Callable[[], None], drawn: Callable[[], None]) -> None:
        self._app = app
        self._seen = seen
        self._drawn = drawn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell of such a request, and pass it on. That somebody has drawn is answered here."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith(f"/{DRAWN}"):
            self._drawn()
            await Response(status_code=204)(scope, receive, send)
            return
        if scope["type"] == "websocket" or _is_for_page(scope):
            self._seen()
        await self._app(scope, receive, send)


def _is_for_page(scope: Scope) -> bool:
    return scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", "")


KEPT_FOR_GOOD: Final = "public, max-age=31536000, immutable"
"""RFC 9111 and RFC 8246: a module's path names its contents, so that nobody need ask for it again."""


class Modules:
    """ASGI middleware that answers with the code of our own charts, whatever a proxy puts before its path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = browser.files()
        self._before = f"/{browser.folder()}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for a module, and pass everything else on."""
        _, found, path = scope.get("path", "").rpartition(self._before)
        if not found or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif path not in self._files:
            await PlainTextResponse("There is no such module.", status_code=404)(scope, receive, send)
        else:
            await self._module(path, Headers(scope=scope))(scope, receive, send)

    def _module(self, path: str, asked: Headers) -> Response:
        packed = "gzip" in asked.get("accept-encoding", "")
        content = self._files[path]
        headers = {"cache-control": KEPT_FOR_GOOD, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
        return Response(
            content if packed else gzip.decompress(content),
            headers={**headers, "content-encoding": "gzip"} if packed else headers,
            media_type="text/javascript",
        )


class TellBase:
    """ASGI middleware that puts :data:`SCRIPT` and our style sheet into the one HTML page there is."""

    def __init__(self, app: ASGIApp, url_paths: Iterable[str]) -> None:
        self._app = app
        entry = browser.folder() + browser.ENTRY
        script = SCRIPT % (json.dumps([path for path in url_paths if path]), entry, DRAWN)
        self._script = f"{script}<style>{browser.styles()}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through but answers in HTML."""
        if not _is_for_page(scope):
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, _Inserting(send, self._script))


class _Inserting:
    """Holds an HTML answer back until it is whole, and sends it with the script in it."""

    def __init__(self, send: Send, script: bytes) -> None:
        self._send = send
        self._script = script
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if Headers(raw=message["headers"]).get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
            return
        await self._send(message)

    async def _finish(self, start: Message) -> None:
        body = self._body.replace(MARK, MARK + self._script, 1)
        headers = MutableHeaders(raw=list(start["headers"]))
        if "content-length" in headers:
            headers["content-length"] = str(len(body))
        await self._send({**start, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})
