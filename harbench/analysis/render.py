"""A paper table as text: markdown, LaTeX, HTML, CSV; and as cells for a terminal."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from harbench import outside
from harbench.analysis.pairs import Condition, tested
from harbench.analysis.statistics import Result
from harbench.analysis.table import Cell, PaperTable

HOLE = "-"
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "†": r"$^{\dagger}$",
    "*": r"$^{*}$",
    ">": "$>$",
}


@dataclass(frozen=True)
class Style:
    """How a format writes text. best, second: around a cell, with {} for its text."""

    escape: Callable[[str], str]
    best: str
    second: str


def headers(table: PaperTable) -> list[str]:
    """The column titles."""
    names = [f"{c.dataset}, {c.condition}" for c in table.columns]
    return ["method", *names, *_tail(table)]


def _tail(table: PaperTable) -> list[str]:
    if not table.ranks:
        return []
    several = ["average", "rank"] if len(table.columns) > 1 else ["rank"]
    return [*several, "difference"] if table.overall else several


def texts(table: PaperTable, style: Style) -> list[list[str]]:
    """The table's body, row by row."""
    counts = {c.n for cells in table.rows.values() for c in cells if c}
    alpha = table.rules.alpha
    body = []
    for name, cells in table.rows.items():
        row = [style.escape(name)]
        row += [_cell(cell, alpha, len(counts) > 1, style) for cell in cells]
        if len(table.columns) > 1 and table.ranks:
            row.append(f"{table.average[name]:.2f}" if name in table.average else HOLE)
        if table.ranks:
            row.append(f"{table.ranks[name]:.1f}" if name in table.ranks else HOLE)
        if table.overall:
            row.append(_difference(table.overall.get(name), alpha, style))
        body.append(row)
    return body


def _marker(result: Result | None, alpha: float) -> str:
    verdict = result.verdict(alpha) if result else ""
    return {"better": "*", "worse": "†", "n/a": " n/a"}.get(verdict, "")


def _cell(cell: Cell | None, alpha: float, with_n: bool, style: Style) -> str:
    if cell is None:
        return HOLE
    text = f"{cell.mean:.2f}"
    if not math.isnan(cell.spread):
        text += f" ± {cell.spread:.2f}"
    text = {1: style.best, 2: style.second}.get(cell.rank, "{}").format(style.escape(text))
    suffix = (f" ({cell.n})" if with_n else "") + (f" ({cell.note})" if cell.note else "")
    return text + style.escape(f"{_marker(cell.result, alpha)} / {cell.beside:.2f}{suffix}")


def _difference(result: Result | None, alpha: float, style: Style) -> str:
    if result is None:
        return ""
    text = f"{result.effect:+.2f}"
    if not math.isnan(result.low):
        text += f" [{result.low:+.2f}, {result.high:+.2f}]"
    return style.escape(text + _marker(result, alpha))


def markdown(table: PaperTable) -> str:
    """A GitHub table, footnotes below."""
    style = Style(outside.markdown, "**{}**", "<u>{}</u>")
    titles = map(outside.markdown, headers(table))
    lines = tabulate(texts(table, style), list(titles), tablefmt="github", disable_numparse=True)
    notes = (style.escape(note) for note in table.notes)
    return "\n\n".join([lines, *notes]) + "\n"


def latex(table: PaperTable) -> str:
    """A `tabular` for the package booktabs, with the footnotes as paragraphs below it."""

    def escape(text: str) -> str:
        plain = "".join(LATEX.get(character, character) for character in text)
        return re.sub(r"(?<![\w}])-(?=\d)", "$-$", plain)

    datasets = [c.dataset for c in table.columns]
    spans, rules, at = [""], [], 2
    for dataset in dict.fromkeys(datasets):
        count = datasets.count(dataset)
        spans.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(dataset)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    tail = _tail(table)
    titles = ["method", *(_short(c.condition) for c in table.columns), *tail]
    style = Style(escape, r"\textbf{{{}}}", r"\underline{{{}}}")
    lines = [
        r"\begin{tabular}{l" + "r" * (len(titles) - 1) + "}",
        r"\toprule",
        " & ".join(spans + [""] * len(tail)) + r" \\",
        " ".join(rules),
        " & ".join(map(escape, titles)) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in texts(table, style)),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        *(escape(note) + r"\par" for note in table.notes),
        "",
    ]
    return "\n".join(lines)


def _short(condition: Condition) -> str:
    if condition.scale == "clean":
        return str(condition)
    return tested(condition.scale, condition.rate)


def web(table: PaperTable) -> str:
    """An HTML table element, footnotes as paragraphs."""
    style = Style(html.escape, "<b>{}</b>", "<u>{}</u>")
    head = "".join(f"<th>{html.escape(title)}</th>" for title in headers(table))
    lines = ["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for name, *cells in texts(table, style):
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr><th>{name}</th>{values}</tr>")
    lines += ["</tbody>", "</table>"]
    lines += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    return "\n".join([*lines, ""])


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
    buffer = io.StringIO()
    outside.spreadsheet(pd.DataFrame(rows)).to_csv(
        buffer, index=False, float_format="%.6g", lineterminator="\n"
    )
    return buffer.getvalue()


FORMATS: dict[str, Callable[[PaperTable], str]] = {
    "markdown": markdown,
    "latex": latex,
    "html": web,
    "csv": csv,
}
