"""`harbench verify`: compare methods with numbers of their original implementations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    from harbench.testing.reference import Comparison


def verify(
    files: Annotated[list[Path], typer.Argument(help="Reference files (npz).", exists=True)],
) -> None:
    """Compare every recorded output; exit code 1 if one is beyond tolerance."""
    from tabulate import tabulate

    from harbench.errors import HarbenchError
    from harbench.testing.reference import GRADIENT, verify

    rows, refused, agree = [], [], True
    for file in files:
        try:
            comparisons = verify(file)
        except HarbenchError as error:
            refused.append(str(error))
            continue
        gradients = [c for c in comparisons if c.output.startswith(GRADIENT)]
        rows += [_row(file, c.output, [c]) for c in comparisons if c not in gradients]
        if gradients:
            rows.append(_row(file, f"gradient norms ({len(gradients)})", gradients))
        agree = agree and all(c.agrees for c in comparisons)
    if rows:
        # Not as wide as the terminal: names are read by programs, too, and must stay whole.
        head = ("file", "output", "deviation", "")
        align = ("left", "left", "right", "left")
        say(tabulate(rows, head, "plain", disable_numparse=True, colalign=align))
    if refused:
        raise HarbenchError("\n".join(refused))
    if not agree:
        raise typer.Exit(1)


def _row(file: Path, output: str, comparisons: list[Comparison]) -> tuple[str, ...]:
    """The largest deviation, and what is to be said of it."""
    deviations = [c.deviation for c in comparisons if c.deviation is not None]
    left = len(comparisons) - len(deviations)
    words = ["random: within 4 standard deviations"] if comparisons[0].sampled else []
    if not all(c.agrees for c in comparisons):
        words = ["differs"]
    if left and deviations:
        words.append(f"{left} not compared")
    found = f"{max(deviations):.1e}" if deviations else "not compared"
    return file.name, output, found, ", ".join(words)
