"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from emulator.errors import StartupError
from emulator.metrics import FirehoseSettings
from emulator.relay import RelayConfig
from emulator.relay import parse as parse_relay

ISOLATIONS = ("auto", "namespaces", "none")
RESOURCES = ("auto", "off")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    scenario: Path
    layers: tuple[Path, ...]
    host: str
    port: int
    record: Path | None
    telemetry: Path | None
    """Where it is written what extensions were posted."""
    relays: tuple[RelayConfig, ...]
    isolation: str
    resources: str
    logs: bool
    firehose: FirehoseSettings | None
    """Where metrics are delivered."""


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments. Ends the process with code 2 and a line on stderr where they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description="A local AWS Lambda.")
    parser.add_argument("--scenario", type=Path, required=True, metavar="FILE.yaml", help="functions, limits, traffic")
    parser.add_argument(
        "--layer",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="folder or .zip; given to every function that lists no layers; may be repeated",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the Lambda API (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=3001, help="its port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what really happened there, as JSON lines")
    parser.add_argument(
        "--record-telemetry", type=Path, metavar="FILE", help="write the telemetry that extensions were posted there"
    )
    parser.add_argument(
        "--relay",
        action="append",
        default=[],
        metavar="NAME[:PORT]=HOST:PORT",
        help="make HOST:PORT reachable in the sandboxes as NAME:PORT; may be repeated",
    )
    parser.add_argument(
        "--isolation",
        choices=ISOLATIONS,
        default="auto",
        help="whether sandboxes have namespaces; auto: where the machine allows it",
    )
    parser.add_argument(
        "--resources",
        choices=RESOURCES,
        default="auto",
        help="whether processor and memory are limited; auto: as the scenario says, where the machine allows it",
    )
    parser.add_argument(
        "--firehose", type=_url, metavar="URL", help="deliver AWS/Lambda metrics there, as a metric stream does"
    )
    parser.add_argument(
        "--firehose-key", type=Path, metavar="FILE", help="holds the access key of --firehose (default: no key)"
    )
    parser.add_argument("--logs", action="store_true", help="show what functions and extensions print")
    given = parser.parse_args(arguments)
    return Options(
        scenario=given.scenario,
        layers=tuple(given.layer),
        host=given.host,
        port=given.port,
        record=given.record,
        telemetry=given.record_telemetry,
        relays=tuple(parse_relay(spec) for spec in given.relay),
        isolation=given.isolation,
        resources=given.resources,
        logs=given.logs,
        firehose=_firehose(given.firehose, given.firehose_key),
    )


def _firehose(url: str | None, key: Path | None) -> FirehoseSettings | None:
    if url is None:
        if key is not None:
            raise StartupError("--firehose-key: goes with --firehose")
        return None
    try:
        access_key = None if key is None else key.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"--firehose-key {key}: {error}") from error
    return FirehoseSettings(url, access_key)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http or https URL")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)
