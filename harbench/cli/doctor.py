"""`harbench doctor`: whether all is there that runs need, and what to do where it is not."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Look at packages, machine, folders, datasets and plug-ins; exit code 1 on a problem."""
    from rich.table import Table
    from rich.text import Text

    from harbench.cli.console import terminal
    from harbench.outside import visible
    from harbench.running.doctor import State, examine

    styles = {State.ok: "green", State.warning: "yellow", State.problem: "red"}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    found = list(examine())
    for each in found:
        words = Text(visible(each.words))
        if each.advice:
            words.append(f"\n-> {visible(each.advice)}", "bold" if each.state != State.ok else "")
        table.add_row(each.what, Text(each.state, styles[each.state]), words)
    terminal().print(table)
    if any(each.state == State.problem for each in found):
        raise typer.Exit(1)
