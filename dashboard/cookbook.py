"""Statements to start from, on the page SQL. Each runs as it is; tests run them on data with a known answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TEXT: Final = Path(__file__).with_suffix(".md")
_RECIPE: Final = re.compile(r"^## ([^\n]+)\n\n```sql\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A question and the statement that answers it."""

    title: str
    sql: str


RECIPES: Final = tuple(Recipe(title, sql) for title, sql in _RECIPE.findall(_TEXT.read_text(encoding="utf-8")))
"""Those of cookbook.md, in its order."""
