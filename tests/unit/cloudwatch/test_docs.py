"""docs/cloudwatch.md against the code: every field of the poller's file, every cause, every template is described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.aws.config import ACCOUNT_FIELDS, INVENTORY_FIELDS, METRICS_FIELDS, Field

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs" / "cloudwatch.md").read_text(encoding="utf-8")
FIELDS = [
    *((f"accounts[].{field.name}", field) for field in ACCOUNT_FIELDS),
    *((f"metrics.{field.name}", field) for field in METRICS_FIELDS),
    *((f"inventory.{field.name}", field) for field in INVENTORY_FIELDS),
]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_field_is_documented_in_the_words_of_the_code(name: str, field: Field) -> None:
    assert re.search(rf"^\| `{re.escape(name)}` \| .+ \| {re.escape(field.help)} \|$", DOCS, re.MULTILINE), name


@pytest.mark.parametrize(
    "schema", ["0021_lambda_throttle_causes.sql", "0022_lambda_stream_lag.sql"], ids=["throttles", "streams"]
)
def test_every_cause_is_documented(schema: str) -> None:
    text = (ROOT / "collector" / "schema" / schema).read_text(encoding="utf-8")
    pattern = r"\('(\w+)', '(?:exact|likely|possible)', " if "throttle" in schema else r"(?:Cause|_cause) = '(\w+)'"
    causes = set(re.findall(pattern, text))
    assert len(causes) > 3
    for cause in causes:
        assert f"`{cause}`" in DOCS or f"`_{cause.rpartition('_')[2]}`" in DOCS, cause


def test_every_template_is_documented() -> None:
    for path in (ROOT / "deploy" / "cloudformation").glob("*.yaml"):
        assert f"`{path.name}`" in DOCS
