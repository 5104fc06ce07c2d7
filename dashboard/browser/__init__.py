"""What runs in the browser: the dashboard's own charts, served beside Streamlit's files.

Plain ES modules, without a build step. ``vendor/`` has uPlot 1.6.32 as its authors publish it (MIT).
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ENTRY: Final = "charts.js"
STYLES: Final = "charts.css"


@cache
def files() -> dict[str, bytes]:
    """Every module by its path relative to the entry, compressed with gzip (RFC 1952)."""
    paths = sorted(HERE.rglob("*.js"))
    return {path.relative_to(HERE).as_posix(): gzip.compress(path.read_bytes(), mtime=0) for path in paths}


@cache
def folder() -> str:
    """The path of all modules under the dashboard's own. It names their contents, so that a browser may keep them."""
    digest = hashlib.sha256()
    for path, content in files().items():
        digest.update(path.encode() + b"\0" + content)
    return f"lambdascope/charts/{digest.hexdigest()[:16]}/"


def styles() -> str:
    """The style sheet."""
    return (HERE / STYLES).read_text(encoding="utf-8")
