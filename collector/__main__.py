"""``python -m collector [command]``: the only place that prints, reads the environment and ends the process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from collector import logs, memory
from collector.config import SETTINGS, argument_parser, from_environ, with_default_command
from collector.errors import CollectorError, SetupError, StoreRefusedError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from collector.config import CollectorConfig

_FAILURE = 2


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    parsed = argument_parser().parse_args(with_default_command(arguments))
    if parsed.command == "token":
        return _token()
    if parsed.command == "alerts":
        return _alerts(parsed.check)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="collector: %(message)s")
    for library in ("clickhouse_connect", "urllib3", "urllib3.connectionpool"):
        # Their failures reach us as exceptions; what they log beside that names each attempt at a server that is away.
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        config = from_environ(os.environ, {setting.name: getattr(parsed, setting.name) for setting in SETTINGS})
        if config.log_format == "json":
            logs.write_json()
        return _COMMANDS[parsed.command](config, parsed)
    except CollectorError as error:
        _say(str(error))
        return _FAILURE


def _say(text: str) -> None:
    sys.stderr.write(f"collector: {text}\n")
    sys.stderr.flush()


def _token() -> int:
    from collector.receiver.access import new_token  # noqa: PLC0415  # `serve` shows its faults faster without

    token, digest = new_token()
    sys.stdout.write(f"for the client:  {token}\nfor the file:    {digest}\n")
    return 0


def _migrate(config: CollectorConfig, asked: argparse.Namespace) -> int:
    """Returns the exit code: 1 where --check finds anything."""
    from collector.store import client, migrate  # noqa: PLC0415  # `serve` shows its faults faster without
    from collector.store.render import SINGLE, Layout  # noqa: PLC0415  # as above

    given = asked.cluster or asked.text_indexes
    layout = Layout(asked.cluster or "", text_indexes=asked.text_indexes) if given else None
    if asked.print_only:
        sys.stdout.write("\n".join(migration.text for migration in migrate.migrations(layout or SINGLE)))
        return 0
    connection = client.connect(config.store)
    try:
        if asked.check:
            missing = migrate.pending(connection, layout)
            sys.stdout.write("".join(f"{migration.name}\n" for migration in missing))
            return 1 if missing else 0
        migrate.migrate(connection, layout)
    finally:
        connection.close()
    _say(f"{config.store.shown} has {len(migrate.migrations())} migrations applied")
    return 0


def _alerts(file: Path | None) -> int:
    from collector.alerts.load import read, recommended  # noqa: PLC0415  # `serve` shows its faults faster without

    if file is None:
        sys.stdout.write(recommended())
        return 0
    try:
        found = read(file, os.environ)
    except CollectorError as error:
        _say(str(error))
        return _FAILURE
    for rule in found.rules:
        bounds = ", ".join(f"{severity} {bound.text}" for severity, bound in rule.tiers)
        sys.stdout.write(f"{rule.name}: {rule.title}: {rule.metric.name} {bounds}\n")
    told = ", ".join(f"{one.name} ({one.kind}: {'/'.join(one.severities)})" for one in found.destinations)
    sys.stdout.write(f"told: {told or 'nobody; they show on the dashboard'}\n")
    return 0


def _load(config: CollectorConfig, asked: argparse.Namespace) -> int:
    from collector.reference.load import load  # noqa: PLC0415  # as above
    from collector.store import client  # noqa: PLC0415  # as above

    file: Path = asked.file
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    connection = client.connect(config.store)
    try:
        kind, rows = load(connection, text)
    except SetupError as error:
        raise SetupError(f"{file}: {error}") from None
    finally:
        connection.close()
    _say(f"{config.store.shown}: {rows} rows of {kind} loaded")
    return 0


def _query(config: CollectorConfig, asked: argparse.Namespace) -> int:
    from collector.query import query  # noqa: PLC0415  # as above

    sql = sys.stdin.read() if asked.sql == "-" else asked.sql
    sys.stdout.buffer.write(query(config, sql, asked.form, os.environ.get("LAMBDASCOPE_COLLECTOR_SQL_PASSWORD", "")))
    return 0


def _quarantine(config: CollectorConfig, asked: argparse.Namespace) -> int:
    """Returns the exit code: 1 where something is refused again."""
    from collector import quarantine  # noqa: PLC0415  # as above
    from collector.store.clickhouse import ClickHouseStore  # noqa: PLC0415  # as above

    kept = quarantine.read(config.quarantine, asked.names)
    if asked.action != "replay":
        for item in kept:
            sys.stdout.write((item.line if asked.action == "list" else item.content) + "\n")
        return 0
    store = ClickHouseStore(config.store)
    refused = 0
    try:
        store.open()
        for item in kept:
            try:
                quarantine.replay(item, store)
            except StoreRefusedError as error:
                refused += 1
                _say(f"quarantine: {item.name} is refused again: {error}")
    finally:
        store.close()
    _say(f"quarantine: {len(kept) - refused} stored, {refused} refused again")
    return 1 if refused else 0


def _serve(config: CollectorConfig, _: argparse.Namespace) -> int:
    memory.tune(os.environ)
    asyncio.run(_until_stopped(config))
    return 0


async def _until_stopped(config: CollectorConfig) -> None:
    from collector.service import Service  # noqa: PLC0415  # as above

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    service = Service(config, os.environ)
    try:
        addresses = await service.start()
        _say(f"ready grpc={addresses.grpc} http={addresses.http} sql={addresses.sql or '-'} store={config.store.shown}")
        working = asyncio.create_task(service.wait())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if working.done():
            await working
        working.cancel()
    finally:
        await service.stop()


_COMMANDS: Final = {"serve": _serve, "migrate": _migrate, "query": _query, "quarantine": _quarantine, "load": _load}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
