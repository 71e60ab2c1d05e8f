"""A table for LaTeX: threeparttable, booktabs and siunitx's S columns, no wider than a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harbench.analysis.sheet import HOLE, Lane, Piece, Sheet, headings

# The text of `article`, the narrowest usual page, in characters and lines of \footnotesize.
PAGE, LINES = 88, 54
# Longer labels of rows are wrapped; a character is so wide.
LABEL, EM = 20, 0.48
SPECIAL = {
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
    "<": "$<$",
    # After a rule or a new line it would begin an argument.
    "[": "{[}",
}
NUMBER = re.compile(r"(?P<whole>\d+)(?P<part>\.\d+)?(?: ± (?P<spread>\d+\.\d+))?")
# Not within a word, or between two numbers.
MINUS = re.compile(r"(?<!\w)-(?=\d)")
# Marks take no room, so that numbers stay aligned.
MARKS = {"*": r"\rlap{$^{*}$}", "†": r"\rlap{$^{\dagger}$}"}


def latex(sheets: Sequence[Sheet]) -> str:
    """Floats of panels below each other, as many as a page holds.

    Where one panel is too narrow for a sheet, its spare lanes are left out.
    """
    needs = r"% \usepackage{booktabs, siunitx, threeparttable}"
    return "\n".join([needs, *(line for sheet in sheets for line in _floats(sheet)), ""])


def escape(text: str) -> str:
    """The text with all that LaTeX would obey made harmless, and minus signs as such."""
    pieces = MINUS.split(text)
    return "$-$".join("".join(SPECIAL.get(each, each) for each in piece) for piece in pieces)


def _floats(sheet: Sheet) -> Iterator[str]:
    room = PAGE - min(LABEL, max(map(len, [sheet.corner, *sheet.rows])))
    panels = sheet.panels(room)
    if len(panels) > 1:
        panels = replace(sheet, lanes=[x for x in sheet.lanes if not x.spare]).panels(room)
    high = len(sheet.rows) + sum(len(label) > LABEL for label in sheet.rows) + 7
    each = max(1, LINES // high)
    for first in range(0, len(panels), each):
        last = first + each >= len(panels)
        yield from _float(sheet, panels[first : first + each], not first, last)


def _float(
    sheet: Sheet, panels: Sequence[Sequence[Sequence[Lane]]], first: bool, last: bool
) -> Iterator[str]:
    yield from (
        r"\begin{table}",
        r"\centering",
        r"\begin{threeparttable}",
        rf"\caption{{{escape(sheet.caption)}{'' if first else ' (continued)'}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        r"\sisetup{separate-uncertainty, detect-weight, table-align-uncertainty = false}",
    )
    for number, panel in enumerate(panels):
        if number:
            yield "\n\\medskip\n"
        yield from _tabular(sheet, panel)
    if last:
        yield r"\begin{tablenotes}[flushleft]\footnotesize"
        yield from (rf"\item {escape(note)}" for note in sheet.notes)
        yield r"\end{tablenotes}"
    yield from (r"\end{threeparttable}", r"\end{table}")


def _tabular(sheet: Sheet, panel: Sequence[Sequence[Lane]]) -> Iterator[str]:
    lanes = [lane for group in panel for lane in group]
    longest = max(map(len, sheet.rows))
    wrapped = rf">{{\raggedright\hyphenpenalty=10000\arraybackslash}}p{{{LABEL * EM:g}em}}"
    label = wrapped if longest > LABEL else "l"
    columns = r"@{\extracolsep{\fill}}" + label + "".join(map(_column, lanes))
    # As wide as the text, because the notes become as wide as the table.
    yield rf"\begin{{tabular*}}{{\linewidth}}{{{columns}}}"
    yield r"\toprule"
    for line in headings(lanes):
        yield from _heading(line)
    yield " & ".join([escape(sheet.corner), *(f"{{{escape(x.title)}}}" for x in lanes)]) + r" \\"
    yield r"\midrule"
    for index, label in enumerate(sheet.rows):
        text = escape(label)
        first = rf"\textbf{{{text}}}" if index == sheet.marked else text
        yield " & ".join([first, *(_cell(lane, lane.pieces[index]) for lane in lanes)]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular*}"


def _heading(line: Sequence[tuple[str, int]]) -> Iterator[str]:
    """One line of headings over their lanes, and the rules below it."""
    cells, rules, at = [""], [], 2
    for text, count in line:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(text)}}}")
        if text:
            rules.append(rf"\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    yield " & ".join(cells) + r" \\"
    yield " ".join(rules)


def _numbers(lane: Lane) -> list[re.Match[str]]:
    """The lane's cells as numbers; none where some cell is no number and no hole."""
    texts = [piece.text for piece in lane.pieces if piece.text not in ("", HOLE)]
    found = [NUMBER.fullmatch(text) for text in texts]
    return [match for match in found if match] if all(found) else []


def _column(lane: Lane) -> str:
    numbers = _numbers(lane)
    if not numbers:
        return "l" if lane.title == "remark" else "r"
    whole, part, spread = (
        max(len(match[key] or "") for match in numbers) for key in ("whole", "part", "spread")
    )
    form = str(whole) + (f".{part - 1}" if part else "") + (f" +- {spread - 3}.2" if spread else "")
    return f"S[table-format={form}]"


def _cell(lane: Lane, piece: Piece) -> str:
    mark = MARKS.get(piece.mark, f"{{{escape(piece.mark)}}}" if piece.mark else "")
    if not _numbers(lane):
        return escape(piece.text) + mark
    if piece.text in ("", HOLE):
        return "{--}" if piece.text else ""
    behind = f" {mark}" if mark else ""
    if piece.place == 2:
        number = piece.text.replace("±", r"\pm")
        return rf"{{\underline{{${number}$}}{mark}}}"
    bold = r"\bfseries " if piece.place == 1 else ""
    return bold + piece.text.replace("±", r"\pm") + behind
