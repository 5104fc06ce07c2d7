"""``python -m collector query "SELECT …"``: for people without a client of their own.

Asks the collector's SQL port where one answers, else the store itself: read-only either way.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import StoreError, StoreRefusedError, StoreUnavailableError
from collector.store.client import connect, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from collector.config import CollectorConfig

FORMATS: Final = {"table": "PrettyCompactMonoBlock", "json": "JSONEachRow", "csv": "CSVWithNames"}
"""What each form of output is called in ClickHouse."""


def query(config: CollectorConfig, sql: str, form: str, password: str = "") -> bytes:
    """The answer as text.

    Args:
        config: where the collector or its store is.
        sql: one statement that reads.
        form: a key of :data:`FORMATS`.
        password: of the SQL port, where it asks for one.

    Raises:
        StoreError: in ClickHouse's words.
    """
    with _client(config, password) as client:
        try:
            return bytes(client.raw_query(sql.strip().rstrip(";"), fmt=FORMATS[form], settings=_READING))
        except ClickHouseError as error:
            raise StoreRefusedError(first_line(str(error))) from None


_READING: Final = {"output_format_pretty_color": "0"}


@contextlib.contextmanager
def _client(config: CollectorConfig, password: str) -> Iterator[Client]:
    client = _endpoint(config, password) if config.store.embedded else None
    if client is None:
        client = connect(config.store)
        client.command("SET readonly = 2")  # settings of the output may change, data may not
    try:
        yield client
    finally:
        client.close()


def _endpoint(config: CollectorConfig, password: str) -> Client | None:
    """The SQL port of the collector that has the embedded store open; None where nobody answers."""
    scheme = "https" if config.tls_certificate else "http"
    try:
        return clickhouse_connect.get_client(
            interface=scheme,
            host=config.host,
            port=config.sql_port,
            password=password,
            autogenerate_session_id=False,
            verify=str(config.tls_certificate or "") or True,
            query_retries=0,
        )
    except (ClickHouseError, OSError) as error:
        if getattr(error, "code", None) is not None:
            raise _told(error) from None
        return None


def _told(error: Exception) -> StoreError:
    return StoreUnavailableError(first_line(str(error)))
