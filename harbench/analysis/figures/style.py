"""How all figures look: colour-blind safe, readable in grey, small enough for a column."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from harbench.discovery import described
from harbench.errors import HarbenchError

COLUMN = 3.4
# Inches of a row of a panel that has one per method.
ROW = 0.19
# Inches of a character of a row's label, on average.
WIDTH = 0.052
SUFFIXES = (".pdf", ".png", ".svg")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES = ((1, 0), (4, 1.5), (1, 1), (3, 1, 1, 1), (5, 2, 1, 2), (2, 2))
DPI = 200
# Characters of a caption that fit into one inch.
CHARACTERS = 17
SMALL = 6.5
THEME: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "0.3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.5,
    "grid.color": "0.9",
    "pdf.fonttype": 42,
    # A name with dollars is no formula.
    "text.parse_math": False,
    "svg.hashsalt": "harbench",
}


class Look(TypedDict):
    """What a line or a point of a method looks like; fits matplotlib's `plot`."""

    color: str
    marker: str
    linestyle: Any
    linewidth: float
    markersize: float
    zorder: float


def new(width: float = COLUMN, height: float = 2.6, rows: int = 1, columns: int = 1) -> Figure:
    """An empty figure in inches, in the suite's theme, not shown anywhere."""
    sns.set_theme(style="whitegrid", palette="colorblind", rc=THEME)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(rows, columns, squeeze=False)
    return figure


def looks(names: Sequence[str], control: str = "") -> dict[str, Look]:
    """How each row looks: its method's own colour in every figure; `control` large, the rest quiet.

    Marker and dashes tell rows of one figure apart without colour.
    """
    return {
        name: Look(
            color=described(name.partition("+")[0]).colour,
            marker=MARKERS[i % len(MARKERS)],
            linestyle=(0, DASHES[i % len(DASHES)]) if i % len(DASHES) else "-",
            linewidth=2.2 if name == control else 1.1,
            markersize=6 if name == control else 4,
            zorder=3.0 if name == control else 2.0,
        )
        for i, name in enumerate(names)
    }


def caption(figure: Figure, text: str) -> None:
    """Below everything, at the left: what the figure shows, in lines that fit its width."""
    width = int(figure.get_figwidth() * CHARACTERS)
    lines = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    found = figure.supxlabel(lines, fontsize=SMALL, x=0.01, ha="left", color="0.25")
    found.set_parse_math(False)


def beside(labels: Sequence[str]) -> float:
    """Inches that the labels of rows take beside a panel."""
    return 0.2 + WIDTH * max(map(len, labels), default=0)


def horizontal(axes: Axes, labels: Sequence[str]) -> None:
    """Make the panel one of rows, the first on top, with these labels and no line beside them."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def keep(figure: Figure, panels: int) -> None:
    """Remove all panels of the figure but the first ones."""
    for axes in figure.axes[panels:]:
        axes.remove()


def emphasise(labels: Sequence[Text], names: Sequence[str], control: str) -> None:
    """Write the control's label bold; the labels belong to the rows `names`."""
    for label, name in zip(labels, names, strict=True):
        label.set_parse_math(False)
        if name == control:
            label.set_fontweight("bold")


def require_ending(option: str, path: Path) -> None:
    """Raise HarbenchError for a file that is none of a figure's kinds, before it is drawn."""
    if path.suffix not in SUFFIXES:
        raise HarbenchError(f"{option} {path}: a figure ends in {', '.join(SUFFIXES)}.")


def encoded(figure: Figure, suffix: str) -> bytes:
    """The figure as a file with that ending (.pdf, .png, .svg); equal figures give equal bytes."""
    if suffix not in SUFFIXES:
        raise HarbenchError(f"A figure ends in {', '.join(SUFFIXES)}, not in {suffix!r}.")
    metadata: dict[str, dict[str, str | None]] = {
        ".pdf": {"CreationDate": None, "Producer": None, "Creator": "harbench"},
        ".png": {"Software": "harbench"},
        ".svg": {"Date": None, "Creator": "harbench"},
    }
    buffer = io.BytesIO()
    with mpl.rc_context(THEME):
        figure.savefig(buffer, dpi=DPI, format=suffix[1:], metadata=metadata[suffix])
    return buffer.getvalue()
