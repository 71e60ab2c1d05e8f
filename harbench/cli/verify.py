"""`harbench verify`: compare methods with numbers of their original implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    files: Annotated[list[Path], typer.Argument(help="Reference files (npz).", exists=True)],
) -> None:
    """Compare every recorded output; exit code 1 if one is beyond tolerance."""
    from rich.console import Console
    from rich.table import Table

    from harbench.testing.reference import GRADIENT, verify

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("file", "output", "largest deviation", ""):
        table.add_column(title, justify="right" if "dev" in title else "left")
    agree = True
    for file in files:
        comparisons = verify(file)
        gradients = [c for c in comparisons if c.output.startswith(GRADIENT)]
        for each in (c for c in comparisons if c not in gradients):
            found = "not compared" if each.deviation is None else f"{each.deviation:.1e}"
            table.add_row(file.name, each.output, found, "" if each.agrees else "[red]differs[/]")
        if gradients:
            worst = max(c.deviation or 0.0 for c in gradients)
            same = all(c.agrees for c in gradients)
            words = f"gradient norms ({len(gradients)})"
            table.add_row(file.name, words, f"{worst:.1e}", "" if same else "[red]differs[/]")
        agree = agree and all(c.agrees for c in comparisons)
    Console(highlight=False).print(table)
    if not agree:
        raise typer.Exit(1)
