"""The list of pages, and the parts of the dashboard that know no Streamlit."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.config import SETTINGS
from dashboard.cookbook import RECIPES
from dashboard.pages import PAGES, page
from dashboard.sql import QUERIES

ROOT = Path(__file__).parents[3]
DASHBOARD = ROOT / "dashboard"


def test_every_page_has_its_file_and_every_file_its_page():
    assert {one.file for one in PAGES} == {f"views/{file.name}" for file in (DASHBOARD / "views").glob("*.py")}


def test_pages_are_told_apart():
    assert len({one.url_path for one in PAGES}) == len({one.name for one in PAGES}) == len(PAGES)
    assert [one.name for one in PAGES if not one.url_path] == ["fleet"]
    assert page("sql").title == "SQL"


def test_the_list_of_pages_needs_no_streamlit():
    program = "import sys, dashboard.pages; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("file", sorted((DASHBOARD / "charts").glob("*.py")), ids=lambda file: file.name)
def test_charts_know_neither_streamlit_nor_sql_nor_the_clock(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ("now", "utcnow", "today", "time")
    assert not {name for name in names if name.startswith(("streamlit", "clickhouse", "dashboard.sql", "dashboard.ui"))}


def test_only_one_place_reads_the_environment():
    readers = [file.relative_to(DASHBOARD) for file in DASHBOARD.rglob("*.py") if "environ" in _names(file)]
    assert readers == [Path("ui/data.py")]


def _names(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_statement_is_used():
    code = "\n".join(file.read_text(encoding="utf-8") for file in DASHBOARD.rglob("*.py"))
    statements = {file.stem: file.read_text(encoding="utf-8") for file in QUERIES.glob("*.sql")}
    of_others = {
        found for text in statements.values() for found in re.findall(r"^-- rollups: .*, or (\w+)$", text, re.MULTILINE)
    }
    assert [name for name in statements if f'"{name}"' not in code and name not in of_others] == []


def test_the_guides_name_every_setting_page_and_recipe():
    guide = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.env}`" in guide
        assert f"`{setting.default}`" in guide
    for one in PAGES:
        assert f"**{one.title}**" in guide
    assert "(../dashboard/cookbook.md)" in guide
    questions = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
    assert len(RECIPES) > 25
    for recipe in RECIPES:
        assert f"\n- {recipe.title}\n" in questions
