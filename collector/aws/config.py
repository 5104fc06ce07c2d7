"""The poller's settings: a YAML file, each field a row of data, checked into frozen records.

An unknown field is an error that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from collector.aws.errors import AwsConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(\.\d{1,10})?|100)|(TM|TC|TS|WM|PR)\(.*\)|IQM")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """An account, and how to get into it.

    Attributes:
        role_arn: role to assume; empty: the process's own credentials.
        external_id: what the role's trust policy asks for; empty for nothing.
        regions: where to ask.
    """

    role_arn: str
    external_id: str
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """What is asked of CloudWatch. Where a metric stream delivers, set ``enabled`` to false.

    Attributes:
        every_s: from one request for a metric to the next. Billed per metric and request, however many points it has.
        delay_s: how long after its end a minute is asked for: sooner, it is not finished and would look like less.
        settle_s: how long after its end a minute is asked for again: a point of a long invocation is stamped with its
            start, and changes a minute that is long over.
        percentiles: further statistics of durations and ages, each billed as one more metric.
        dimension_sets: which are asked for, beside those without which a metric has none.
        exclude: names of metrics that are not asked for.
        backfill_h: hours before the first start that are read once.
        usd_per_1000: price of 1,000 metrics requested, for the cost that is printed.
    """

    enabled: bool
    every_s: int
    delay_s: int
    settle_s: int
    percentiles: tuple[str, ...]
    dimension_sets: tuple[str, ...]
    exclude: frozenset[str]
    backfill_h: float
    usd_per_1000: float


@dataclass(frozen=True, slots=True)
class InventoryConfig:
    """What is asked of Lambda.

    Attributes:
        every_s: from one poll to the next.
        calls_per_s: most calls to Lambda: its control plane allows 15 for everybody in the account and region.
    """

    enabled: bool
    every_s: int
    calls_per_s: float


@dataclass(frozen=True, slots=True)
class AwsConfig:
    """The whole file."""

    accounts: tuple[AccountConfig, ...]
    metrics: MetricsConfig
    inventory: InventoryConfig
    endpoint_url: str


@dataclass(frozen=True, slots=True)
class Field:
    """One row: a field of the file, its default and its meaning. docs/cloudwatch.md has them all."""

    name: str
    default: object
    help: str
    parse: Callable[[object], object]


def _number(least: float, most: float) -> Callable[[object], object]:
    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"a number from {least:g} to {most:g}")
        return value

    return parse


def _minutes(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value % 60 or not 60 <= value <= 86_400:
        raise ValueError("whole minutes, in seconds: a multiple of 60 up to 86400")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  # all parsers raise the same
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")  # noqa: TRY004  # as above
    return value


def _list(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of texts")
    return tuple(value)


def _regions(value: object) -> tuple[str, ...]:
    regions = _list(value)
    if not regions or not all(_REGION.fullmatch(region) for region in regions):
        raise ValueError("a list of regions such as eu-west-1")
    return regions


def _percentiles(value: object) -> tuple[str, ...]:
    names = _list(value)
    if not all(_PERCENTILE.fullmatch(name) for name in names):
        raise ValueError("a list of CloudWatch's statistics such as p99 or TM(10%:90%)")
    return names


METRICS_FIELDS: Final = (
    Field(
        "enabled",
        default=True,
        help="whether CloudWatch is asked for points; false where a metric stream delivers",
        parse=_boolean,
    ),
    Field("every_s", 300, "seconds from one request for a metric to the next", _minutes),
    Field("delay_s", 180, "seconds after its end at which a minute is asked for", _minutes),
    Field("settle_s", 1080, "seconds after its end until which a minute is asked for again", _minutes),
    Field("percentiles", [], "further statistics of durations and ages, such as p99; each is billed", _percentiles),
    Field(
        "dimension_sets",
        ["", "FunctionName", "EventSourceMappingUUID"],
        "sets of dimensions to ask for; a metric that has none of them is asked for under the first that it has",
        _list,
    ),
    Field("exclude", [], "metrics that are not asked for", _list),
    Field("backfill_h", 0, "hours before the first start that are read once, up to 455 days", _number(0, 455 * 24)),
    Field("usd_per_1000", 0.01, "price of 1,000 metrics requested, as of 2026-11", _number(0, 1000)),
)
INVENTORY_FIELDS: Final = (
    Field(
        "enabled",
        default=True,
        help="whether Lambda is asked for functions, limits, mappings and versions",
        parse=_boolean,
    ),
    Field("every_s", 300, "seconds from one poll to the next", _minutes),
    Field(
        "calls_per_s", 5, "most calls per second; Lambda allows 15 for all of an account and region", _number(0.1, 100)
    ),
)
ACCOUNT_FIELDS: Final = (
    Field("role_arn", "", "role to assume; without it, the process's own credentials", _text),
    Field("external_id", "", "what the role's trust policy asks for", _text),
    Field("regions", None, "regions of this account; without it, those of the file", _regions),
)


def load(path: Path) -> AwsConfig:
    """Read and check a file.

    Raises:
        AwsConfigError: it cannot be read, or a field is not as it should be.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AwsConfigError(f"{path}: {' '.join(str(error).split())}") from None
    return parse(value if value is not None else {}, str(path))


def parse(value: Any, where: str) -> AwsConfig:
    """Check what a file holds.

    Raises:
        AwsConfigError: a field is not as it should be.
    """
    known = {"regions", "accounts", "metrics", "inventory", "endpoint_url"}
    _check_names(value, known, where)
    try:
        regions = _regions(value["regions"]) if "regions" in value else ()
        endpoint_url = _text(value.get("endpoint_url", ""))
    except ValueError as error:
        raise AwsConfigError(f"{where}: regions or endpoint_url: must be {error}") from None
    accounts = value.get("accounts", [{}])
    if not isinstance(accounts, list) or not accounts:
        raise AwsConfigError(f"{where}: accounts: must be a list of accounts")
    metrics = _section(value.get("metrics", {}), METRICS_FIELDS, f"{where}: metrics")
    inventory = _section(value.get("inventory", {}), INVENTORY_FIELDS, f"{where}: inventory")
    return AwsConfig(
        tuple(_account(one, regions, f"{where}: accounts[{index}]") for index, one in enumerate(accounts)),
        MetricsConfig(**{**metrics, "exclude": frozenset(metrics["exclude"])}),
        InventoryConfig(**inventory),
        endpoint_url,
    )


def _account(value: Any, regions: tuple[str, ...], where: str) -> AccountConfig:
    account = AccountConfig(**_section(value, ACCOUNT_FIELDS, where))
    if not (account.regions or regions):
        raise AwsConfigError(f"{where}.regions: there is no region, neither here nor for the whole file")
    return account if account.regions else AccountConfig(account.role_arn, account.external_id, regions)


def _section(value: Any, fields: tuple[Field, ...], where: str) -> dict[str, Any]:
    _check_names(value, {field.name for field in fields}, where)
    parsed: dict[str, Any] = {}
    for field in fields:
        given = value.get(field.name, field.default)
        try:
            parsed[field.name] = () if given is None else field.parse(given)
        except ValueError as error:
            raise AwsConfigError(f"{where}.{field.name}: {given!r} is not {error}") from None
    return parsed


def _check_names(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, dict):
        raise AwsConfigError(f"{where}: must be a mapping")
    mapping: Mapping[Any, Any] = value
    for name in mapping:
        if name not in known:
            raise AwsConfigError(f"{where}: there is no field {name!r}; there are {', '.join(sorted(known))}")
