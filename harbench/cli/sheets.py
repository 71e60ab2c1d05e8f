"""A table on a terminal: panels that fit its width, no name broken inside a word."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.text import Text

from harbench.analysis.sheet import GAP, Lane, Sheet, headings, widths
from harbench.cli.console import terminal
from harbench.outside import visible

# Longer labels of rows are wrapped at their spaces.
LABEL = 30
STYLES = {1: "bold", 2: "underline"}


def show(sheet: Sheet) -> None:
    """Print a sheet: its caption, panel below panel, its notes."""
    console = terminal()
    console.print(sheet.caption)
    for line in lines(sheet, console.width):
        console.print(line, soft_wrap=True)
    console.print("\n".join(sheet.notes), style="dim")


def lines(sheet: Sheet, width: int) -> Iterator[Text]:
    """The panels of a sheet for a terminal of that many characters, without notes."""
    labels = [textwrap.wrap(text, LABEL, break_long_words=False, break_on_hyphens=False) or [""]
              for text in map(_plain, sheet.rows)]  # fmt: skip
    longest = max(len(line) for label in [[sheet.corner], *labels] for line in label)
    for number, panel in enumerate(sheet.panels(width - longest)):
        if number:
            yield Text("")
        lanes = [lane for group in panel for lane in group]
        wide = widths(lanes)
        yield from _headings(lanes, wide, longest)
        titles = [Text(x.title.rjust(w), "bold") for x, w in zip(lanes, wide, strict=True)]
        yield _joined(Text(sheet.corner.ljust(longest), "bold"), titles)
        for index, label in enumerate(labels):
            style = "bold" if index == sheet.marked else ""
            pieces = [_piece(x, index, w) for x, w in zip(lanes, wide, strict=True)]
            yield _joined(Text(label[0].ljust(longest), style), pieces)
            yield from (Text(more, style) for more in label[1:])


def _plain(text: str) -> str:
    return visible(text, lines=False)


def _joined(first: Text, rest: Sequence[Text]) -> Text:
    line = Text(" " * GAP).join([first, *rest])
    line.rstrip()
    return line


def _headings(lanes: Sequence[Lane], wide: Sequence[int], longest: int) -> Iterator[Text]:
    """Headings in the middle above their lanes."""
    for line in headings(lanes):
        cells, at = [], 0
        for text, count in line:
            width = sum(wide[at : at + count]) + GAP * (count - 1)
            cells.append(Text(_plain(text).center(width), "bold"))
            at += count
        yield _joined(Text(" " * longest), cells)


def _piece(lane: Lane, index: int, width: int) -> Text:
    """A number at the right, its mark in a place of its own."""
    piece = lane.pieces[index]
    marks = max(len(each.mark) for each in lane.pieces)
    text = Text(" " * (width - marks - len(piece.text)))
    text.append(_plain(piece.text), STYLES.get(piece.place, ""))
    return text.append(piece.mark.ljust(marks))
