"""`harbench report`: one page with all that has been run."""

from __future__ import annotations

import os
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from harbench.cli.complete import Datasets, Filter, Methods, Protocols, Results
from harbench.cli.reading import chosen, left_out
from harbench.cli.say import say
from harbench.cli.table import headline, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harbench.analysis.table import Rules
    from harbench.leaderboard.board import Board, Statement
    from harbench.running.records import Record

Audits = Annotated[
    list[Path] | None,
    typer.Option("--audit", help="What `leaderboard audit` wrote (repeatable).", exists=True),
]
Control = Annotated[str, typer.Option(help="The method that the findings always speak of.")]


class Page(StrEnum):
    """What the report is written as."""

    html = "html"
    pdf = "pdf"


SUFFIXES = {".html": Page.html, ".htm": Page.html, ".pdf": Page.pdf}


def report(
    out: Annotated[Path, typer.Option(help="File to write.")],
    control: Control = "robusthar",
    form: Annotated[Page | None, typer.Option("--format", help="By the file's ending.")] = None,
    dataset: Datasets = None,
    method: Methods = None,
    protocol: Protocols = None,
    budget: Filter = None,
    audit: Audits = None,
    results: Results = None,
) -> None:
    """Write one self-contained page: findings, ranks, intervals, curves, cost, provenance.

    The page of `leaderboard build`, for a folder of your own. PDF: pip install 'harbench[pdf]'.
    """
    from harbench.data.paths import writing
    from harbench.errors import needs
    from harbench.leaderboard.page import pdf
    from harbench.running.store import ResultStore, default_results

    wanted = _page(out, form)
    if wanted is Page.pdf:
        needs("weasyprint", "pdf")
    frame = chosen(results, dataset=dataset, method=method, protocol=protocol, budget=budget)
    kept = set(frame["path"])
    root = results or default_results()
    found = ResultStore(root).read()
    records = [each for each in found.records if str(each[0]) in kept]
    start = out.absolute().parent
    text = page_of(
        records,
        control,
        audit,
        lambda p: quote(os.path.relpath(p.absolute(), start)),
        probes=root,
        protocols=protocol or (),
        filtered=any((dataset, method, protocol, budget)),
    )
    with writing(out) as temporary:
        temporary.write_bytes(pdf(text) if wanted is Page.pdf else text.encode())
    say(f"Wrote {out}")


def page_of(
    records: list[tuple[Path, Record]],
    control: str,
    audits: list[Path] | None,
    link: Callable[[Path], str],
    heading: str = "",
    probes: Path | None = None,
    protocols: Sequence[str] = (),
    filtered: bool = False,
) -> str:
    """The page of some records.

    link: from a record's path to its address on the page. probes: the folder whose probes of
    sensors are shown, too; if filtered, those of the page's rows alone. protocols: those asked for,
    of which files are read.
    """
    from harbench.cli.console import terminal
    from harbench.leaderboard.audits import read_audits
    from harbench.leaderboard.maps import sensor_maps
    from harbench.leaderboard.page import Shown, page

    status = terminal(stderr=True).status
    with status(f"Ranking {len(records)} records"):
        board = board_of(records, protocols)
    for reason in board.apart:
        say(f"harbench: not compared: {reason}", err=True)
        left_out.set(True)
    words = heading or f"harbench report: {len(records)} records"
    shown_rows = {(entry.dataset, entry.budget, entry.name) for entry in board.entries}
    rows = shown_rows if filtered else None
    maps = list(sensor_maps(probes, rows)) if probes else []
    shown = Shown(words, control, link, read_audits(audits or []), _rules(board), maps)
    with status("Drawing the page"):
        return page(board, shown)


def board_of(records: list[tuple[Path, Record]], protocols: Sequence[str] = ()) -> Board:
    """The board of some records, by what their protocols declare (`statements`)."""
    from harbench.leaderboard.board import make_board
    from harbench.running.rows import frame

    return make_board(records, frame, statements(records, protocols))


def statements(
    records: list[tuple[Path, Record]], protocols: Sequence[str] = ()
) -> dict[str, Statement]:
    """What each protocol of the records claims; one without a file: its clean condition.

    protocols: names, and files of protocols that the suite does not have.
    """
    from harbench import registry
    from harbench.analysis.pairs import Condition
    from harbench.leaderboard.board import Statement

    files = {Path(name).stem: name for name in protocols if name.endswith(".toml")}
    known = {name: name for name in registry.protocol_names()} | files
    found = {}
    for _, record in records:
        name = record.identity.protocol
        if name in known:
            said = registry.protocol(known[name])
            seeds = () if said.seeds == "subjects" else said.seeds
            found[name] = Statement(headline(said), rules_of(said), seeds)
        else:
            found[name] = Statement(Condition(name, "clean", 0.0), rules_of(None))
    return found


def _rules(board: Board) -> Rules:
    """The rules of the protocol that most entries follow: its metric is shown first."""
    counts = Counter(entry.protocol for entry in board.entries)
    most = counts.most_common(1)
    return board.statements[most[0][0]].rules if most else rules_of(None)


def _page(out: Path, form: Page | None) -> Page:
    """What to write; HarbenchError where a file's ending says something else, or nothing."""
    from harbench.errors import HarbenchError

    said = SUFFIXES.get(out.suffix.lower())
    if said is None or form not in (None, said):
        wanted = f"--format {form} " if form else ""
        ending = form or "html or .pdf"
        raise HarbenchError(
            f"--out {out}: {wanted}does not go with the ending {out.suffix or '(none)'!r}: "
            f"name the file .{ending}."
        )
    return said
