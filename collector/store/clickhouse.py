"""The store: ClickHouse, in this process or a server. Blocking, and used from one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.binding import format_query_value, quote_identifier

from collector.errors import SetupError, StoreError, StoreUnavailableError
from collector.store import encoded
from collector.store.client import as_encoded_error, as_store_error, connect, use_database
from collector.store.handover import Handover
from collector.store.migrate import migrate
from collector.telemetry import StoreState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from collector.config import StoreUrl
    from collector.native.library import Block
    from collector.otlp.batch import Rows
    from collector.otlp.signals import Signal

INSERT_SETTINGS: Final = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # One insert is one block, however wide its rows, so that its token stands for the same rows every time.
    "min_insert_block_size_rows": 1_048_449,
    "min_insert_block_size_bytes": 0,
    "max_insert_block_size": 1_048_449,
    # A partition is a day. A batch of any times must be stored, else what is behind it in the spool waits for ever.
    "max_partitions_per_insert_block": 0,
}

SERVER_SETTINGS: Final = {
    # Where the table stands for shards, an insert is acknowledged when it is on them, not when it waits on a disk for
    # being sent. In the name that servers before 23.3 know as well; no other table heeds it.
    "insert_distributed_sync": 1,
}
"""Of inserts into a server, which may be one of a cluster."""

EMBEDDED_SETTINGS: Final = {
    # These take a sixth of an insert's processor time, and a merge makes them anyway, mostly within seconds.
    # Until then a query reads the part, which has 50,000 rows at most. The index of trace ids is made at once.
    "exclude_materialize_skip_indexes_on_insert": ",".join(
        f"idx_{name}" for name in ("res_attr_key", "res_attr_value", "span_attr_key", "span_attr_value",
                                   "lower_span_name")
    ),
}  # fmt: skip
"""Of inserts into the embedded engine: servers of some years ago do not know them."""


class ClickHouseStore:
    """ClickHouse through clickhouse-connect; connects and migrates when it is first used, and again after a failure.

    A tenant is a database of its own, with all tables, made when it is first used.
    """

    def __init__(self, url: StoreUrl, answer_within_s: float = 300.0) -> None:
        """``answer_within_s``: how long a server may take over a statement; the embedded engine always answers."""
        self._url = url
        self._answer_within_s = answer_within_s
        self._clients: dict[str, Client] = {}
        self._handover: Handover | None = None
        self._insert_settings = {**INSERT_SETTINGS, **(EMBEDDED_SETTINGS if url.embedded else SERVER_SETTINGS)}

    def open(self, tenant: str = "") -> Client:
        """Connect and create what is missing.

        Raises:
            SetupError: not usable as given.
            StoreUnavailableError: not reachable, or not migrated.
        """
        if tenant not in self._clients:
            client = connect(self._url, self._answer_within_s)
            try:
                if tenant:
                    use_database(client, tenant)
                migrate(client)
            except StoreUnavailableError:
                client.close()
                raise
            self._clients[tenant] = client
        return self._clients[tenant]

    def insert(self, rows: Rows, token: str, tenant: str = "", *, in_pieces: bool = False) -> None:
        """See :class:`~collector.store.inserter.Store`."""
        client = self._opened(tenant)
        names, types = zip(*rows.layout.columns, strict=True)
        try:
            context = client.create_insert_context(
                rows.layout.table,
                column_names=names,
                column_type_names=types,
                data=rows.columns,
                column_oriented=True,
                settings={**self._insert_settings, "insert_deduplication_token": token},
            )
            if not in_pieces:
                context.block_row_count = context.row_count
            client.insert(context=context)
        except Exception as error:  # clickhouse-connect and urllib3 raise many kinds; all are told apart
            raise self._failure(as_store_error(error)) from error

    def insert_block(self, block: Block, token: str, tenant: str = "") -> None:
        """See :class:`~collector.store.inserter.Store`."""
        if not block.rows:
            return
        client = self._opened(tenant)
        settings = {**self._insert_settings, "insert_deduplication_token": token}
        table, names = block.layout.table, block.layout.names
        try:
            if self._url.embedded:
                self._hand_over(client, block, settings)
            else:
                client.raw_insert(table, names, block.to_bytes(), settings=settings, fmt="Native")
        except Exception as error:  # as above
            raise self._failure(as_store_error(error)) from error

    def _hand_over(self, client: Client, block: Block, settings: Mapping[str, object]) -> None:
        """What ``raw_insert`` does, without its temporary file."""
        if self._handover is None:
            self._handover = Handover()
        self._handover.put(block)
        columns = ", ".join(map(quote_identifier, block.layout.names))
        set_ = ", ".join(f"{name} = {format_query_value(value)}" for name, value in settings.items())
        client.command(
            f"INSERT INTO {quote_identifier(block.layout.table)} ({columns})"
            f" FROM INFILE {format_query_value(self._handover.path)} SETTINGS {set_} FORMAT Native"
        )
        self._handover.rest()

    def insert_encoded(self, signal: Signal, bodies: Sequence[bytes], token: str, tenant: str = "") -> None:
        """See :class:`~collector.store.inserter.Store`.

        Not by chdb's streamed insert, which needs no temporary file and says nothing of what fails behind the parser.
        """
        client = self._opened(tenant)
        entry = encoded.ENTRIES[signal]
        schema = encoded.local_schema(entry) if self._url.embedded else encoded.sent_schema(entry)
        settings = {**self._insert_settings, **encoded.FORMAT_SETTINGS, **schema, "insert_deduplication_token": token}
        pieces = encoded.delimited(bodies)
        # The embedded engine is given a file, which pieces may be written to; a server is sent the whole at once.
        block = pieces if self._url.embedded else b"".join(pieces)
        try:
            client.raw_insert(entry.table, insert_block=block, settings=settings, fmt=encoded.FORMAT)
        except Exception as error:  # as above
            raise self._failure(as_encoded_error(error)) from error

    def state(self) -> StoreState:
        """See :class:`~collector.store.inserter.Store`."""
        client = self._opened("")
        try:
            rows = client.query(
                "SELECT table, count(), sum(bytes_on_disk) FROM system.parts"
                " WHERE active AND match(table, '^(otel|lambda)_') GROUP BY table"
            ).result_rows
            repeated = client.query("SELECT sum(value) FROM system.events WHERE event = 'DuplicatedInsertedBlocks'")
        except Exception as error:  # as above
            raise self._failure(as_store_error(error)) from error
        parts = {str(table): int(count) for table, count, _ in rows}
        sizes = {str(table): int(size) for table, _, size in rows}
        return StoreState(parts, sizes, int(repeated.result_rows[0][0]))

    def _opened(self, tenant: str) -> Client:
        try:
            return self.open(tenant)
        except SetupError as error:  # it was usable once: a password may be on its way from old to new
            raise StoreUnavailableError(str(error)) from None

    def _failure(self, error: StoreError) -> StoreError:
        if isinstance(error, StoreUnavailableError) and not self._url.embedded:
            self.close()
        return error

    def close(self) -> None:
        """See :class:`~collector.store.inserter.Store`."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        if self._handover is not None:
            self._handover.close()
            self._handover = None
