"""`harbench results rerun`: a run repeated from its record alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    from harbench.running.rerun import Finding

WORDS = {True: "identical", False: "different", None: "not compared"}


def rerun(
    record: Annotated[Path, typer.Argument(help="File of a record (results/.../seed-0.json).")],
    method: Annotated[
        str, typer.Option("--method", help="Python file of a method not registered.")
    ] = "",
    dataset: Annotated[
        str, typer.Option("--dataset", help="Python file of a dataset not registered.")
    ] = "",
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda; the record's, with --anyway auto.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Though data, code, versions or device differ.")
    ] = False,
) -> None:
    """Repeat a run from its record alone and say what came out the same, bit by bit.

    It trains anew in a cache of its own: nothing that is kept is used or changed, but prepared
    datasets. Exit code 0 if all that can be compared is identical, 1 if not.
    """
    from harbench.cli.console import terminal
    from harbench.cli.progress import Display
    from harbench.errors import HarbenchError
    from harbench.running.again import run_of
    from harbench.running.provenance import command_line
    from harbench.running.reading import read_record
    from harbench.running.rerun import obstacles, repeat

    first = "cpu" if read_record(record).cost.device == "cpu" else "cuda"
    run, before = run_of(record, method, device or ("auto" if anyway else first), dataset)
    reasons = obstacles(before, run)
    if reasons and not anyway:
        raise HarbenchError(
            f"{record}: not repeated, because {'; '.join(reasons)}. --anyway repeats it all the "
            "same."
        )
    for reason in reasons:
        say(f"note: {reason}", err=True)
    with Display(terminal(stderr=True), [run], [run]) as display:
        found = repeat(before, run, command_line(), lambda news: display.news(run, news))
        display.ended(run, "repeated")
    _show(found)
    if any(each.same is False for each in found):
        raise typer.Exit(1)


def _show(found: list[Finding]) -> None:
    from tabulate import tabulate

    rows = [(each.part, WORDS[each.same], each.words) for each in found]
    say(tabulate(rows, tablefmt="plain", disable_numparse=True))
