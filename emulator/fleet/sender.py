"""OTLP/HTTP to a receiver, at a rate."""

from __future__ import annotations

import http.client
import logging
import time
import urllib.parse
from collections.abc import Callable
from typing import Final

from emulator.fleet.errors import ExportError

_LOG: Final = logging.getLogger(__name__)
_TRACES: Final = "/v1/traces"
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""The statuses that OTLP's specification calls retryable."""
_LONGEST_DELAY_S: Final = 30.0


class OtlpSender:
    """Sends trace requests one after the other over one connection, kept open.

    Args:
        endpoint: such as ``http://127.0.0.1:4318``; the path of the signal is added.
        headers: beside the content type, such as a bearer token.
        give_up_after_s: how long a receiver may be out of reach or refuse for now.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        headers: dict[str, str] | None = None,
        give_up_after_s: float = 300.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url = urllib.parse.urlsplit(endpoint)
        self._path = url.path.rstrip("/") + _TRACES
        self._headers = {"Content-Type": "application/x-protobuf", **(headers or {})}
        self._give_up_after_s = give_up_after_s
        self._sleep = sleep
        connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = connection(url.netloc, timeout=60.0)

    def send(self, body: bytes) -> None:
        """Deliver a request, waiting and trying again where the receiver asks for that.

        Raises:
            ExportError: the receiver refused it for good, or for too long.
        """
        waited_s, delay_s = 0.0, 0.5
        while True:
            status, answer, retry_after_s = self._attempt(body)
            if status == http.HTTPStatus.OK:
                return
            if status is not None and status not in _RETRYABLE:
                raise ExportError(f"the receiver refused a request of {len(body)} bytes: {answer}")
            if waited_s >= self._give_up_after_s:
                raise ExportError(f"no success for {waited_s:.0f} s: {answer}")
            _LOG.warning("export: %s; trying again", answer)
            pause_s = delay_s if retry_after_s is None else retry_after_s
            self._sleep(pause_s)
            waited_s += pause_s
            delay_s = min(_LONGEST_DELAY_S, delay_s * 2)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._connection.close()

    def _attempt(self, body: bytes) -> tuple[int | None, str, float | None]:
        """Status (None where there was no answer), what to say of it, and how long the receiver asks to wait."""
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return None, f"no answer ({error or type(error).__name__})", None
        text = f"status {response.status} {answer[:200].decode(errors='replace')}".strip()
        retry_after = response.headers.get("Retry-After", "")
        return response.status, text, float(retry_after) if retry_after.isdigit() else None


class Pacer:
    """Keeps a rate, on the average since it was made.

    Args:
        per_s: None for no limit.
        now: seconds of a clock that never steps.
        sleep: waits, in seconds.
    """

    def __init__(
        self,
        per_s: float | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_s = per_s
        self._now = now
        self._sleep = sleep
        self._start_s = now()
        self._done = 0

    def wait(self, items: int) -> None:
        """Wait until so many more may go."""
        self._done += items
        if self._per_s is not None:
            ahead_s = self._start_s + self._done / self._per_s - self._now()
            if ahead_s > 0:
                self._sleep(ahead_s)
