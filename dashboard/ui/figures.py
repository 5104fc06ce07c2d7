"""The row of figures on top of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is, its value with unit, and how it moved."""

    label: str
    value: str
    delta: str | None = None
    good: Literal["up", "down", "neither"] = "neither"
    """The direction in which a change is good."""
    about: str = ""


COLOURS: dict[str, Literal["normal", "inverse", "off"]] = {"up": "normal", "down": "inverse", "neither": "off"}


def row(figures: Sequence[Figure]) -> None:
    """Draw figures side by side; on a narrow screen they wrap."""
    with st.container(horizontal=True, key="figures"):
        for one in figures:
            st.metric(
                one.label,
                one.value,
                one.delta,
                delta_color=COLOURS[one.good],
                help=one.about or None,
                border=True,
                height="stretch",
            )
