"""`harbench check`: whether a method does what every method must do."""

from __future__ import annotations

import time
from typing import Annotated

import typer


def check(
    methods: Annotated[
        list[str], typer.Argument(help="Methods, by name or as a Python file.", metavar="METHOD...")
    ],
) -> None:
    """Check methods on small made-up windows, for leakage too; exit code 1 if a check fails."""
    from rich.table import Table
    from rich.text import Text

    from harbench import registry
    from harbench.cli.console import terminal
    from harbench.outside import visible
    from harbench.testing.conformance import CHECKS
    from harbench.testing.conformance import check as carry_out

    console = terminal()
    failed = 0
    for method in methods:
        name = registry.method_class(method).name
        table = Table(title=name, title_justify="left", box=None, header_style="bold")
        table.add_column("check", no_wrap=True)
        table.add_column("seconds", justify="right")
        table.add_column()
        for which in CHECKS:
            begun = time.perf_counter()
            reason = carry_out(method, which)
            seconds = f"{time.perf_counter() - begun:.1f}"
            failed += bool(reason)
            table.add_row(which, seconds, Text(visible(reason), "red") if reason else "passed")
        console.print(table)
    if failed:
        console.print(f"{failed} checks failed.")
        raise typer.Exit(1)
