"""Who looks at the dashboard, as its server sees them: Streamlit's protocol over a WebSocket, without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

TIMEOUT_S = 120
LARGEST_MESSAGE = 64 * 1024 * 1024
COMPLETE = frozenset({ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY})


@contextmanager
def viewer(url: str, query: Mapping[str, str]) -> Iterator[Viewer]:
    """Somebody connected to the dashboard at that address, who will look at what the query string says."""
    address = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
    with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=LARGEST_MESSAGE) as socket:
        yield Viewer(url, query, socket)


class Viewer:
    """One session: the Fleet page of a range, opened and then refreshed as the browser's timer would."""

    def __init__(self, url: str, query: Mapping[str, str], socket: ClientConnection) -> None:
        self._state = ClientState(query_string=urlencode(query))
        self._state.context_info.timezone = "UTC"
        self._state.context_info.url = url
        self._socket = socket
        self._fragment = ""

    def open(self) -> str:
        """Draw the whole page; the body of its last unseen element."""
        return self._run(self._state)

    def refresh(self) -> str:
        """Draw what a live page draws again by itself; likewise."""
        assert self._fragment, "the page is not one that refreshes"
        again = ClientState(fragment_id=self._fragment, is_auto_rerun=True)
        again.MergeFrom(self._state)
        return self._run(again)

    def _run(self, state: ClientState) -> str:
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        sentinel = ""
        while True:
            message = ForwardMsg.FromString(self._bytes())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._state.page_script_hash = message.new_session.page_script_hash
            elif kind == "auto_rerun":
                self._fragment = message.auto_rerun.fragment_id
            elif kind == "delta" and "lambdascope-ready" in message.delta.new_element.html.body:
                sentinel = message.delta.new_element.html.body
            elif kind == "script_finished":
                assert message.script_finished in COMPLETE, message
                return sentinel

    def _bytes(self) -> bytes:
        received = self._socket.recv(timeout=TIMEOUT_S)
        assert isinstance(received, bytes)
        return received
