"""The file of rules as it is asked for: a path, the recommended ones, or none."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from collector.alerts.errors import RuleFileError
from collector.alerts.job import Alerts
from collector.alerts.rules import RuleFile, parse
from collector.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECOMMENDED: Final = "recommended"
OFF: Final = "off"


def recommended() -> str:
    """The text of the rules that come with the collector."""
    return resources.files("collector.alerts").joinpath("recommended.yaml").read_text(encoding="utf-8")


def read(path: Path, environ: Mapping[str, str]) -> RuleFile:
    """A file of rules.

    Raises:
        SetupError: it cannot be read or used; the message has its name, the rule and the key.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), environ)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8"
        raise SetupError(f"alerts {path}: {reason}") from None
    except RuleFileError as error:
        raise SetupError(f"alerts {path}: {error}") from None


def alerts(asked: Path | str, environ: Mapping[str, str]) -> Alerts | None:
    """What evaluates the rules that are asked for; None for none.

    Raises:
        SetupError: as :func:`read`.
    """
    if isinstance(asked, str):
        return None if asked == OFF else Alerts(parse(recommended(), environ))
    return Alerts(read(asked, environ))
