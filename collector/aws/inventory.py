"""Functions and what belongs to them, as Lambda says they are now; every poll adds rows, so history stays."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from collector.aws import configuration
from collector.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.aws.sessions import Place
    from collector.otlp.batch import Rows, TableLayout
    from collector.store.inserter import Store

log = logging.getLogger(__name__)

JOB: Final = "inventory"
FULL_S: Final = 3600
"""How often what can hardly change unseen is read all the same: versions, and reservations that others balance."""


@dataclass(slots=True)
class _Known:
    """Of a function, between two polls: what need not be asked for again while nothing says that it changed."""

    revision: str = ""
    reserved: int | None = None
    provisioned: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: list[Mapping[str, Any]] = field(default_factory=list)
    aliases: list[Mapping[str, Any]] = field(default_factory=list)
    read_s: int = 0


class Inventory:
    """Reads one account and region. Blocking, and used from one thread.

    A part that cannot be read (a permission that is missing, say) costs only itself.
    """

    def __init__(self, place: Place, store: Store) -> None:
        self._place = place
        self._store = store
        self._known: dict[str, _Known] = {}
        self._unreserved: int | None = None

    def run(self, now_s: int) -> tuple[int, str]:
        """One poll; the rows that were stored, and what could not be read (empty: all could).

        Raises:
            AwsError: not even the functions can be listed.
            StoreError: ClickHouse did not take it.
        """
        place, polled_at = self._place, datetime.fromtimestamp(now_s, UTC)
        where = (place.account_id, place.region)
        troubles: list[str] = []
        records: dict[TableLayout, list[list[Any]]] = {layout: [] for layout in configuration.LAYOUTS}

        functions = list(place.pages("lambda", "list_functions", "Functions"))
        changed = self._limits(where, polled_at, records, troubles)
        mappings = self._tried(
            troubles,
            lambda: list(place.pages("lambda", "list_event_source_mappings", "EventSourceMappings")),
            [],
        )
        records[configuration.MAPPINGS] = [configuration.mapping(where, polled_at, one) for one in mappings]
        sources = defaultdict(list)
        for one in mappings:
            if one.get("EventSourceArn"):
                sources[configuration.function_of(one.get("FunctionArn", ""))[0]].append(one["EventSourceArn"])
        for one in functions:
            self._function(where, polled_at, one, sources[one["FunctionName"]], changed, now_s, records, troubles)
        self._known = {one["FunctionName"]: self._known[one["FunctionName"]] for one in functions}
        self._event_sources(where, polled_at, mappings, records, troubles)
        return self._insert(records, now_s), "; ".join(dict.fromkeys(troubles))

    def _limits(
        self,
        where: configuration.Place,
        polled_at: datetime,
        records: dict[TableLayout, list[list[Any]]],
        troubles: list[str],
    ) -> bool:
        """The account's limits; whether the sum of all reservations may have changed since the last poll."""
        settings = self._tried(troubles, lambda: self._place.call("lambda", "get_account_settings"), None)
        if settings is None:
            return True
        records[configuration.ACCOUNT_LIMITS].append(configuration.account_limits(where, polled_at, settings))
        unreserved = int(settings["AccountLimit"]["UnreservedConcurrentExecutions"])
        changed, self._unreserved = unreserved != self._unreserved, unreserved
        return changed

    def _function(  # noqa: PLR0913, PLR0917  # what a poll knows by now, and where it goes
        self,
        where: configuration.Place,
        polled_at: datetime,
        described: Mapping[str, Any],
        sources: list[str],
        changed: bool,  # noqa: FBT001  # as above
        now_s: int,
        records: dict[TableLayout, list[list[Any]]],
        troubles: list[str],
    ) -> None:
        name = str(described["FunctionName"])
        known = self._known.setdefault(name, _Known())
        stale = now_s - known.read_s >= FULL_S or known.revision != described.get("RevisionId", "")
        if stale or changed:
            known.reserved = self._tried(troubles, lambda: self._reserved(name), known.reserved)
        if stale:
            self._read_versions(name, known, troubles)
            known.revision, known.read_s = str(described.get("RevisionId", "")), now_s
        provisioned = sum(
            int(one.get("RequestedProvisionedConcurrentExecutions", 0)) for one in known.provisioned.values()
        )
        records[configuration.FUNCTIONS].append(
            configuration.function(where, polled_at, described, known.reserved, provisioned or None, sources)
        )
        records[configuration.VERSIONS] += [
            configuration.version(where, polled_at, name, one, known.provisioned.get(one["Version"], {}))
            for one in known.versions
            if one["Version"] != "$LATEST"
        ]
        records[configuration.VERSIONS] += [
            configuration.alias(where, polled_at, name, one, known.provisioned.get(one["Name"], {}))
            for one in known.aliases
        ]

    def _reserved(self, name: str) -> int | None:
        answer = self._place.call("lambda", "get_function_concurrency", FunctionName=name)
        reserved = answer.get("ReservedConcurrentExecutions")
        return None if reserved is None else int(reserved)

    def _read_versions(self, name: str, known: _Known, troubles: list[str]) -> None:
        pages = self._place.pages
        known.versions = self._tried(
            troubles,
            lambda: list(pages("lambda", "list_versions_by_function", "Versions", FunctionName=name)),
            known.versions,
        )
        known.aliases = self._tried(
            troubles, lambda: list(pages("lambda", "list_aliases", "Aliases", FunctionName=name)), known.aliases
        )
        if len(known.versions) < 2:  # $LATEST alone, for which nothing can be provisioned
            known.provisioned = {}
            return
        configs = self._tried(
            troubles,
            lambda: list(
                pages(
                    "lambda",
                    "list_provisioned_concurrency_configs",
                    "ProvisionedConcurrencyConfigs",
                    FunctionName=name,
                )
            ),
            [],
        )
        known.provisioned = {configuration.function_of(one["FunctionArn"])[1]: one for one in configs}

    def _event_sources(
        self,
        where: configuration.Place,
        polled_at: datetime,
        mappings: list[dict[str, Any]],
        records: dict[TableLayout, list[list[Any]]],
        troubles: list[str],
    ) -> None:
        arns = {one["EventSourceArn"]: configuration.kind_of(one) for one in mappings if one.get("EventSourceArn")}
        for arn, kind in sorted(arns.items()):
            if kind == "dynamodb":
                records[configuration.EVENT_SOURCES].append(configuration.dynamodb_stream(where, polled_at, arn))
            elif kind == "kinesis":
                summary = self._tried(troubles, partial(self._stream_summary, arn), None)
                if summary is not None:
                    row = configuration.kinesis_stream(where, polled_at, arn, summary["StreamDescriptionSummary"])
                    records[configuration.EVENT_SOURCES].append(row)

    def _stream_summary(self, arn: str) -> dict[str, Any]:
        return self._place.call("kinesis", "describe_stream_summary", StreamARN=arn)

    def _tried(self, troubles: list[str], read: Callable[[], Any], otherwise: Any) -> Any:
        """What is read, or something else where AWS does not tell."""
        try:
            return read()
        except AwsError as error:
            troubles.append(str(error))
            return otherwise

    def _insert(self, records: Mapping[TableLayout, list[list[Any]]], now_s: int) -> int:
        place = self._place
        total = 0
        for layout, of_table in records.items():
            if of_table:
                rows: Rows = configuration.rows(layout, of_table)
                self._store.insert(rows, f"inventory-{place.account_id}-{place.region}-{now_s}")
                total += len(of_table)
        return total
