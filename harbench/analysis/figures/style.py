"""How all figures look: colour-blind safe, readable in grey, small enough for a column."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext

from harbench.errors import HarbenchError

COLUMN = 3.4
SUFFIXES = (".pdf", ".png", ".svg")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES = ((1, 0), (4, 1.5), (1, 1), (3, 1, 1, 1), (5, 2, 1, 2), (2, 2))
DPI = 200
THEME: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    # A name with dollars is no formula.
    "text.parse_math": False,
    "svg.hashsalt": "harbench",
}


def new(width: float = COLUMN, height: float = 2.6, rows: int = 1, columns: int = 1) -> Figure:
    """An empty figure in inches, in the suite's theme, not shown anywhere."""
    sns.set_theme(style="whitegrid", palette="colorblind", rc=THEME)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(rows, columns, squeeze=False)
    return figure


def looks(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Colour, marker and dashes of each name; the same name looks the same in one figure."""
    colours = sns.color_palette("colorblind", 10)
    return {
        name: {
            "color": colours[i % len(colours)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": (0, DASHES[i % len(DASHES)]) if i % len(DASHES) else "-",
        }
        for i, name in enumerate(names)
    }


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
    _let_powers_be_formulas(figure)
    with mpl.rc_context(THEME):
        figure.savefig(buffer, dpi=DPI, format=suffix[1:], metadata=metadata[suffix])
    return buffer.getvalue()


def _let_powers_be_formulas(figure: Figure) -> None:
    """On a logarithmic axis matplotlib itself writes 10 to the power of n as a formula."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for minor in (False, True):
                made = axis.get_minor_formatter() if minor else axis.get_major_formatter()
                if isinstance(made, LogFormatterMathtext):
                    for label in axis.get_ticklabels(minor=minor):
                        label.set_parse_math(True)
