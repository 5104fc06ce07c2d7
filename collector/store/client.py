"""Opening ClickHouse, and what its errors mean."""

from __future__ import annotations

import fcntl
import os
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import SetupError, StoreError, StoreRefusedError, StoreUnavailableError, UndecodedError
from collector.store.repair import repair

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from collector.config import StoreUrl

# Codes of ClickHouse under which the same insert would fail again, whenever it is tried: the data is at fault. All
# others (no table yet, no space, no memory, too many parts, no connection, wrong password) are for people to mend while
# the spool holds the data.
_REFUSALS: Final = frozenset({
    6, 25, 26, 27, 33, 38, 41, 43, 53, 69, 70, 72, 117, 131, 190, 321, 349, 407, 469, 636, 685,
})  # fmt: skip
# How an insert ends that ClickHouse cannot decode, before it has stored anything: our views' throwIf (395), faults
# of the Protobuf format, and a server that lacks or forbids one of the settings.
_UNDECODED: Final = _REFUSALS | {32, 36, 48, 73, 115, 395, 434, 435, 436, 437, 443, 444, 452, 569, 570}
_ENGINE: Final = Path(str(resources.files("collector") / "store" / "engine.xml"))
"""Of the embedded engine. It is read by the first connection of a process."""
_CODE: Final = re.compile(r"\bCode: ([0-9]+)\.")
_WRONG_URL_CODES: Final = frozenset({81, 192, 193, 194, 516})  # unknown database, user, wrong or required password


def connect(store: StoreUrl, answer_within_s: float = 300.0) -> Client:
    """A client of its own connection. Blocking; the first one of an embedded store starts the engine.

    Raises:
        SetupError: the store cannot be used as it was given: in use, not writable, wrong database or password.
        StoreUnavailableError: the server does not answer.
    """
    try:
        if store.embedded:
            store.path.mkdir(parents=True, exist_ok=True)
            holder = _holder(store.path)
            if not holder:
                repair(store.path)
            elif holder != f"PID: {os.getpid()}":
                raise SetupError(f"store {store.shown}: another process has it open")
            return clickhouse_connect.get_client(dsn=store.dsn, chdb_options={"config-file": str(_ENGINE)})
        # From a dsn alone it would speak plain HTTP, password and all, on any port but 443 and 8443.
        return clickhouse_connect.get_client(
            interface=store.scheme,
            dsn=store.dsn,
            autogenerate_session_id=False,
            connect_timeout=5,
            send_receive_timeout=answer_within_s,
        )
    except ClickHouseError as error:
        raise _connect_error(store, error) from None
    except OSError as error:
        raise SetupError(f"store {store.shown}: {error.strerror or error}") from None


def use_database(client: Client, name: str) -> None:
    """Make a database where it is missing, and the client one of it.

    Raises:
        StoreUnavailableError: it is not there and may not be made.
    """
    try:
        client.command(f"CREATE DATABASE IF NOT EXISTS {name}")
    except (ClickHouseError, OSError) as error:
        raise StoreUnavailableError(f"database {name}: {first_line(str(error))}") from error
    client.database = name


def _holder(path: Path) -> str:
    """Who has the engine's lock, as the file says that is locked: ``PID: 123``; empty for nobody.

    Asked beforehand, as the engine would print to stderr and not say why.
    """
    try:
        with (path / "status").open(encoding="utf-8") as file:
            holder = file.readline().strip()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return ""
    except BlockingIOError:
        return holder or "?"
    return ""


def _connect_error(store: StoreUrl, error: ClickHouseError) -> SetupError | StoreUnavailableError:
    text = _cause(error) or first_line(str(error))
    if store.embedded or getattr(error, "code", None) in _WRONG_URL_CODES:
        return SetupError(f"store {store.shown}: {text}")
    return StoreUnavailableError(f"store {store.shown}: {text}")


def _cause(error: BaseException | None) -> str | None:
    """What the operating system said at the bottom of a chain of errors, such as ``Connection refused``.

    The texts above it hold an id of the attempt, so that no two of them are the same.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and (said := error.strerror or str(error)):
            return said
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
    return None


def first_line(text: str) -> str:
    """An error of ClickHouse or of the network, short enough for one line."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return line if len(line) <= 300 else line[:300] + "…"


def as_store_error(error: Exception) -> StoreError:
    """What an exception of clickhouse-connect means for the data that was sent."""
    code = getattr(error, "code", None)
    if isinstance(error, ClickHouseError) and code in _REFUSALS:
        return StoreRefusedError(first_line(str(error)))
    if isinstance(error, (ValueError, TypeError, OverflowError)) or type(error).__name__ == "DataError":
        return StoreRefusedError(first_line(str(error)))
    return StoreUnavailableError(_cause(error) or first_line(str(error)))


def as_encoded_error(error: Exception) -> StoreError:
    """What an exception of an insert that ClickHouse decodes means for the data that was sent."""
    code = getattr(error, "code", None)
    if code is None and (match := _CODE.search(str(error))):
        code = int(match[1])
    text = first_line(str(error))
    return UndecodedError(text) if code in _UNDECODED else StoreUnavailableError(text)
