"""A table for the web: caption, scopes, and a little style."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from harbench.analysis.sheet import Piece, Sheet, headings

AROUND = {1: "<b>{}</b>", 2: "<u>{}</u>"}
STYLE = """<style>
.harbench { border-collapse: collapse; font: 0.9rem/1.4 system-ui, sans-serif; margin: 1rem 0; }
.harbench caption { text-align: left; padding-bottom: 0.4rem; }
.harbench th, .harbench td { padding: 0.15rem 0.6rem; text-align: right; white-space: nowrap; }
.harbench thead tr:last-child { border-bottom: 1px solid currentColor; }
.harbench [scope=colgroup] { text-align: center; }
.harbench [scope=row], .harbench thead tr:last-child th:first-child { text-align: left; }
.harbench tbody th { font-weight: normal; }
.harbench .control { background: #8882; }
.harbench .control th { font-weight: bold; }
.harbench-note { font: 0.8rem/1.4 system-ui, sans-serif; max-width: 60rem; margin: 0.2rem 0; }
</style>"""


def page(sheets: Sequence[Sheet]) -> str:
    """All sheets with their style, ready to be opened or pasted."""
    return "\n".join([STYLE, *map(element, sheets)])


def element(sheet: Sheet) -> str:
    """A table element and its notes as paragraphs, without style."""
    lines = [
        '<table class="harbench">',
        f"<caption>{html.escape(sheet.caption)}</caption>",
        "<thead>",
        *_head(sheet),
        "</thead>",
        "<tbody>",
    ]
    for index, label in enumerate(sheet.rows):
        cells = "".join(f"<td>{_cell(lane.pieces[index])}</td>" for lane in sheet.lanes)
        chosen = ' class="control"' if index == sheet.marked else ""
        lines.append(f'<tr{chosen}><th scope="row">{html.escape(label)}</th>{cells}</tr>')
    lines += ["</tbody>", "</table>"]
    lines += [f'<p class="harbench-note">{html.escape(note)}</p>' for note in sheet.notes]
    return "\n".join([*lines, ""])


def _head(sheet: Sheet) -> Iterator[str]:
    """Lines of headings over the lanes that share them, then the lanes' own titles."""
    for line in headings(sheet.lanes):
        cells = "<td></td>"
        for text, count in line:
            kind, scope = ("th", ' scope="colgroup"') if text else ("td", "")
            cells += f'<{kind}{scope} colspan="{count}">{html.escape(text)}</{kind}>'
        yield f"<tr>{cells}</tr>"
    titles = map(html.escape, [sheet.corner, *(lane.title for lane in sheet.lanes)])
    yield "<tr>" + "".join(f'<th scope="col">{text}</th>' for text in titles) + "</tr>"


def _cell(piece: Piece) -> str:
    return AROUND.get(piece.place, "{}").format(html.escape(piece.text)) + html.escape(piece.mark)
