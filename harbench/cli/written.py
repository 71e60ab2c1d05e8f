"""How tables are written: on a terminal, or as a file of a kind that its ending says."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harbench.analysis.sheet import Sheet


class Format(StrEnum):
    """How the table is written; rich is for a terminal."""

    rich = "rich"
    markdown = "markdown"
    latex = "latex"
    html = "html"
    csv = "csv"


Written = Annotated[
    Format | None,
    typer.Option("--format", help="How to write it; by the file's ending, rich on a terminal."),
]
ENDINGS = {
    ".md": Format.markdown,
    ".tex": Format.latex,
    ".html": Format.html,
    ".csv": Format.csv,
}


def write(sheets: Sequence[Sheet], form: Format | None, out: Path | None, cells: str) -> None:
    """Print sheets or write them to a file. cells: what a CSV file of them holds.

    form: None for what the file's ending says, Markdown where it says nothing.
    """
    from harbench.analysis.render import FORMATS
    from harbench.cli.sheets import show
    from harbench.data.paths import writing
    from harbench.errors import HarbenchError

    if out is None and form in (None, Format.rich):
        for sheet in sheets:
            show(sheet)
        return
    said = ENDINGS.get(out.suffix.lower()) if out else None
    if form and said and form is not said:
        raise HarbenchError(f"--out {out} does not go with --format {form}: leave one out.")
    named = form or said or Format.markdown
    if named is Format.rich:
        raise HarbenchError("--format rich is for a terminal: leave out --out.")
    text = cells if named is Format.csv else FORMATS[named](sheets)
    if out is None:
        typer.echo(text, nl=False)
    else:
        with writing(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
        say(f"Wrote {out}")
