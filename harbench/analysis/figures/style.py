"""How all figures look: colour-blind safe, readable in grey, small enough for a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

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


def save(figure: Figure, path: Path) -> None:
    """Write PDF, PNG or SVG, by the file's ending; equal figures give equal bytes."""
    if path.suffix not in SUFFIXES:
        raise HarbenchError(f"{path}: a figure ends in {', '.join(SUFFIXES)}.")
    metadata = {
        ".pdf": {"CreationDate": None, "Producer": None, "Creator": "harbench"},
        ".png": {"Software": "harbench"},
        ".svg": {"Date": None, "Creator": "harbench"},
    }[path.suffix]
    with mpl.rc_context(THEME):
        figure.savefig(path, dpi=DPI, metadata=metadata)
