"""The command line of fleet mode, checked."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from emulator.fleet.config import MAX_FUNCTIONS, Fleet, FleetConfig, build, load
from emulator.fleet.errors import FleetConfigError
from emulator.metrics import FORMATS, FirehoseSettings

US_PER_MINUTE: Final = 60_000_000
_ADDRESS: Final = re.compile(r"https?://[^/\s]+\S*")


@dataclass(frozen=True, slots=True)
class Options:
    """What to generate and where to send it."""

    fleet: Fleet
    start_us: int
    """A whole minute."""
    otlp: str | None
    otlp_headers: dict[str, str]
    with_metrics: bool
    firehose: FirehoseSettings | None
    metric_format: str
    metrics_hours: float | None
    rate: float | None
    """Spans per second; None: as fast as it goes."""
    spans_per_request: int
    truth: Path | None
    save: Path | None
    load: Path | None
    """An archive to send instead of generating anything."""


def parse(arguments: list[str], now: datetime) -> Options:
    """Check the command line.

    Raises:
        FleetConfigError: naming the option or the field.
        SystemExit: from argparse, for an option that does not exist and for ``--help``.
    """
    given = _parser().parse_args(arguments)
    fleet = build(_overridden(load(given.fleet), given), given.seed)
    sends = not given.dry_run
    otlp = _address("--otlp", given.otlp)
    firehose = _firehose(given.firehose, given.access_key_file)
    if sends and otlp is None and firehose is None and given.truth is None and given.save is None:
        raise FleetConfigError("nothing to do: give --otlp, --firehose, --truth, --save or --dry-run")
    if given.load is not None and (given.save is not None or given.truth is not None or given.fleet is not None):
        raise FleetConfigError("--load: sends what was saved, so it goes with none of --fleet, --save and --truth")
    return Options(
        fleet=fleet,
        start_us=_end_us(given.end, now) - round(fleet.days * 1440) * US_PER_MINUTE,
        otlp=otlp if sends else None,
        otlp_headers=dict(_header(text) for text in given.otlp_header),
        with_metrics=firehose is not None or given.dry_run or given.save is not None,
        firehose=firehose if sends else None,
        metric_format=given.metric_format,
        metrics_hours=None if given.metrics_hours is None else _number("--metrics-hours", given.metrics_hours, 0.01),
        rate=None if given.rate == "max" else _number("--rate", given.rate, 1),
        spans_per_request=round(_number("--spans-per-request", given.spans_per_request, 1)),
        truth=given.truth,
        save=given.save,
        load=given.load,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m emulator.fleet",
        description="Generate the telemetry of a fleet of Lambda functions, send it, and print the truth about it.",
    )
    add = parser.add_argument
    add("--fleet", type=Path, metavar="FILE", help="description of the fleet (YAML); default: without incidents")
    add("--functions", metavar="N", help="how many functions (300)")
    add("--days", metavar="N", help="days of history (7)")
    add("--requests-per-s", metavar="N", help="of the generated functions together, on average (2)")
    add("--end", default="now", metavar="now|ISO", help="end of the history, cut to the minute (now)")
    add("--seed", type=int, default=1, metavar="N", help="the same seed and end give the same bytes (1)")
    add("--otlp", metavar="URL", help="send spans to this OTLP/HTTP receiver, such as http://127.0.0.1:4318")
    add("--otlp-header", action="append", default=[], metavar="NAME:VALUE", help="a header for it; may be repeated")
    add("--firehose", metavar="URL", help="deliver CloudWatch metrics to this Firehose endpoint")
    add("--access-key-file", type=Path, metavar="FILE", help="holds the endpoint's access key")
    add("--metric-format", choices=sorted(FORMATS), default="opentelemetry1.0", help="of the metric stream")
    add("--metrics-hours", metavar="N", help="deliver the metrics of the last N hours only (all)")
    add("--rate", default="max", metavar="N|max", help="spans per second (max)")
    add("--spans-per-request", default="2000", metavar="N", help="(2000); 1: each invocation by itself")
    add("--truth", type=Path, metavar="FILE", help="write every fact to this file, one JSON line each")
    add("--save", type=Path, metavar="FOLDER", help="write the streams to this folder, to send them with --load")
    add("--load", type=Path, metavar="FOLDER", help="send what --save wrote, and generate nothing")
    add("--dry-run", action="store_true", help="generate and encode everything, send nothing")
    return parser


def _overridden(config: FleetConfig, given: argparse.Namespace) -> FleetConfig:
    """The description with what the command line says instead."""
    if given.functions is not None:
        config = replace(config, functions=round(_number("--functions", given.functions, 1, MAX_FUNCTIONS)))
    if given.days is not None:
        config = replace(config, days=_number("--days", given.days, 0.001, 366))
    if given.requests_per_s is not None:
        config = replace(config, requests_per_s=_number("--requests-per-s", given.requests_per_s, 0, 1_000_000))
    return config


def _number(option: str, text: str, least: float, most: float = 1e12) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise FleetConfigError(f"{option}: must be a number from {least:g} to {most:g}, not {text!r}")
    return number


def _address(option: str, text: str | None) -> str | None:
    if text is not None and not _ADDRESS.fullmatch(text):
        raise FleetConfigError(f"{option}: must be an http:// or https:// URL, not {text!r}")
    return text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise FleetConfigError(f"--otlp-header: must be NAME:VALUE, not {text!r}")
    return name.strip(), value.strip()


def _firehose(url: str | None, access_key_file: Path | None) -> FirehoseSettings | None:
    address = _address("--firehose", url)
    if address is None:
        return None
    try:
        access_key = None if access_key_file is None else access_key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FleetConfigError(f"--access-key-file: {access_key_file}: {error}") from error
    return FirehoseSettings(address, access_key)


def _end_us(text: str, now: datetime) -> int:
    """The end of the history, cut to the minute. Times without a zone are UTC."""
    try:
        end = now if text == "now" else datetime.fromisoformat(text)
    except ValueError as error:
        raise FleetConfigError(f"--end: must be 'now' or an ISO 8601 time, not {text!r}") from error
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    return int(end.timestamp()) // 60 * US_PER_MINUTE
