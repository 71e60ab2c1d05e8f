"""`harbench report`: one page with all that has been run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harbench.cli.table import Filter, chosen, headline, rules_of


class Page(StrEnum):
    """What the report is written as."""

    html = "html"
    pdf = "pdf"


SUFFIXES = {".html": Page.html, ".htm": Page.html, ".pdf": Page.pdf}


def report(
    out: Annotated[Path, typer.Option(help="File to write.")],
    control: Annotated[str, typer.Option(help="Compare all with this method.")] = "robusthar",
    form: Annotated[Page | None, typer.Option("--format", help="By the file's ending.")] = None,
    dataset: Filter = None,
    method: Filter = None,
    protocol: Filter = None,
    budget: Filter = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Write one self-contained page: tables, figures, footnotes, cost, provenance."""
    from harbench import registry
    from harbench.analysis.pairs import Condition
    from harbench.analysis.report import Statement, page, pdf, sections
    from harbench.data.paths import writing

    wanted = _page(out, form)
    frame = chosen(results, dataset=dataset, method=method, protocol=protocol, budget=budget)
    known = set(registry.protocol_names())
    statements = {}
    for name, part in frame.groupby("protocol"):
        if name in known:
            said = registry.protocol(str(name))
            statements[str(name)] = Statement(headline(said), rules_of(said))
        else:
            # A protocol of someone's own, whose file is not at hand: its hardest condition.
            last = part.sort_values(["rate", "scale"], kind="stable").iloc[-1]
            condition = Condition(str(name), str(last["scale"]), float(last["rate"]))
            statements[str(name)] = Statement(condition, rules_of(None))
    title = f"harbench: {frame['path'].nunique()} records"
    parts = list(sections(frame, statements, control))
    data = pdf(title, parts) if wanted is Page.pdf else page(title, parts).encode()
    with writing(out) as temporary:
        temporary.write_bytes(data)
    typer.echo(f"Wrote {out}")


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
