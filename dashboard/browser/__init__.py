"""What runs in the browser: the dashboard's own charts, served beside Streamlit's files.

Plain ES modules, without a build step. ``vendor/`` has uPlot 1.6.32 as its authors publish it (MIT).
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ENTRY: Final = "charts.js"
STYLES: Final = "charts.css"
PREFIX: Final = "lambdascope/charts/"
"""The path under the dashboard's own that all files are at, before :func:`version`."""


def files() -> dict[str, bytes]:
    """Every module by its path relative to the entry, compressed with gzip (RFC 1952)."""
    paths = sorted(HERE.rglob("*.js"))
    return {path.relative_to(HERE).as_posix(): gzip.compress(path.read_bytes(), mtime=0) for path in paths}


def version(modules: dict[str, bytes]) -> str:
    """A name for just these contents, so that a browser may keep them for good."""
    digest = hashlib.sha256()
    for path, content in modules.items():
        digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def styles() -> str:
    """The style sheet."""
    return (HERE / STYLES).read_text(encoding="utf-8")
