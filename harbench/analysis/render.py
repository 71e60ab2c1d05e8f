"""A paper table as text: markdown, LaTeX, HTML, CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from tabulate import tabulate

from harbench import outside
from harbench.analysis.latex import latex
from harbench.analysis.sheet import Piece, Sheet
from harbench.analysis.table import PaperTable
from harbench.analysis.web import page

AROUND = {1: "**{}**", 2: "<u>{}</u>"}


def markdown(sheets: Sequence[Sheet]) -> str:
    """GitHub tables, the caption above and footnotes below each."""
    return "\n".join(map(_markdown, sheets))


def _markdown(sheet: Sheet) -> str:
    titles = [sheet.corner, *(": ".join([*_above(x.above), x.title]) for x in sheet.lanes)]
    body = [
        [
            f"**{outside.markdown(label)}**" if index == sheet.marked else outside.markdown(label),
            *(_piece(lane.pieces[index]) for lane in sheet.lanes),
        ]
        for index, label in enumerate(sheet.rows)
    ]
    lines = tabulate(
        body,
        [outside.markdown(text) for text in titles],
        tablefmt="github",
        disable_numparse=True,
        colalign=["left", *(["right"] * len(sheet.lanes))],
    )
    notes = map(outside.markdown, sheet.notes)
    return "\n\n".join([outside.markdown(sheet.caption), lines, *notes]) + "\n"


def _above(headings: Sequence[str]) -> list[str]:
    return [", ".join(headings)] if headings else []


def _piece(piece: Piece) -> str:
    text = outside.markdown(piece.text)
    return AROUND.get(piece.place, "{}").format(text) + outside.markdown(piece.mark)


def csv(table: PaperTable) -> str:
    """One line per cell, with all that the test says."""
    rows = []
    for name, cells in table.rows.items():
        for column, cell in zip(table.columns, cells, strict=True):
            result = cell.result if cell else None
            rows.append(
                {
                    "method": name,
                    "dataset": column.dataset,
                    "protocol": column.condition.protocol,
                    "scale": column.condition.scale,
                    "rate": column.condition.rate,
                    "metric": table.rules.metric,
                    "mean": cell.mean if cell else None,
                    "sd": cell.spread if cell else None,
                    f"{table.rules.beside}_mean": cell.beside if cell else None,
                    "n": cell.n if cell else 0,
                    "control": table.rules.control if result else "",
                    "difference": result.effect if result else None,
                    "low": result.low if result else None,
                    "high": result.high if result else None,
                    "p": result.p if result else None,
                    "family": result.family if result and result.tested else None,
                    "p_adjusted": result.adjusted_p if result else None,
                    "p_smallest": result.smallest_p if result else None,
                    "verdict": result.verdict(table.rules.alpha) if result else "",
                    "note": cell.note if cell else "",
                }
            )
    return csv_text(pd.DataFrame(rows))


def csv_text(table: pd.DataFrame) -> str:
    """A table as the text of a CSV file."""
    safe = outside.spreadsheet(table)
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")


# How sheets are written; a CSV holds more than they, see `csv`.
FORMATS: dict[str, Callable[[Sequence[Sheet]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "html": page,
}
