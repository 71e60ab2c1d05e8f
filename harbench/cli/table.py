"""`harbench table`: a paper-ready table of what has been run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli import complete
from harbench.cli.by import By
from harbench.cli.complete import Budget, Datasets, Methods, OwnMetric, Results
from harbench.cli.reading import chosen
from harbench.cli.written import Format, Written, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from harbench.analysis.pairs import Condition
    from harbench.analysis.table import Rules
    from harbench.protocol import Protocol


class Family(StrEnum):
    """Which comparisons share the error rate."""

    column = "column"
    table = "table"


def table(
    protocol: Annotated[
        list[str],
        typer.Option(
            help="Protocol (repeatable): its headline.", autocompletion=complete.protocols
        ),
    ],
    control: Annotated[
        str | None, typer.Option(help="Compare all with this method; robusthar if it is there.")
    ] = None,
    metric: OwnMetric = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(help="What the control is compared with (repeatable); the baselines."),
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="Another scale than the protocol's headline.")
    ] = None,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary", help="Area under the score-rate curve, rate of a loss, worst condition."
        ),
    ] = False,
    by: Annotated[
        By | None, typer.Option(help="Take one score apart; by subject needs predictions.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="nb-t, signflip, wilcoxon.")] = None,
    alpha: Annotated[float | None, typer.Option(min=0, max=1, help="Error rate.")] = None,
    family: Annotated[Family | None, typer.Option(help="Holm over a column or all cells.")] = None,
    dataset: Datasets = None,
    method: Methods = None,
    budget: Budget = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Refuse a table with holes or unequal seeds.")
    ] = False,
    form: Written = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    results: Results = None,
) -> None:
    """Methods by datasets: mean and deviation, best in bold, significance against a control.

    Metric, test, error rate and family are those of the first protocol unless they are given.
    Rows that --rows or the protocol does not name are shown and not tested. --summary tables
    curves over the missing rate instead: of `mixed`, or of --scale. --by class shows the F1 of
    each class, --by subject the score of each person: of one protocol, a table per dataset.
    """
    from harbench import registry
    from harbench.analysis.pairs import require_names, row_names
    from harbench.analysis.render import csv
    from harbench.analysis.robustness import summary_table
    from harbench.analysis.sheet import sheet_of
    from harbench.analysis.table import paper_table
    from harbench.errors import unknown

    protocols = [registry.protocol(name) for name in dict.fromkeys(protocol)]
    frame = chosen(results, dataset=dataset, method=method, budget=budget, confusion=by is By.kind)
    for row in rows or ():
        known = {*frame["method"], *frame["variant"]} - {""}
        if row not in known:
            raise unknown("row", row, known)
    # Records of other protocols may be of another code: they are no part of this table.
    part = frame[frame["protocol"].isin([each.name for each in protocols])]
    rules = rules_of(
        protocols[0],
        metric=metric,
        control=_control(control, part),
        test=test,
        alpha=alpha,
        family=family.value if family else None,
        rows=tuple(dict.fromkeys(rows)) if rows else None,
    )
    if by:
        _refuse_beside_by(by, metric, test, alpha, family, rows, summary, complete)
        if control:
            require_names(row_names(part), [control])
        _apart(by, part, protocols, scale, rules, form, out, results)
        return
    if summary:
        found = summary_table(part, [scale or _curve(part)], rules, complete)
    else:
        found = paper_table(part, [headline(p, scale) for p in protocols], rules, complete)
    write([sheet_of(found)], form, out, csv(found))


def _refuse_beside_by(by: By, metric: str | None, *others: object) -> None:
    """Raise HarbenchError for options that mean nothing where no difference is tested."""
    from harbench.errors import HarbenchError

    if any(others):
        raise HarbenchError(
            "--by shows scores and tests nothing: leave out --test, --alpha, --family, --rows, "
            "--summary and --complete."
        )
    if by is By.kind and metric is not None:
        raise HarbenchError("--by class shows the F1 of each class: leave out --metric.")


def _apart(
    by: By,
    frame: pd.DataFrame,
    protocols: Sequence[Protocol],
    scale: str | None,
    rules: Rules,
    form: Format | None,
    out: Path | None,
    results: Path | None,
) -> None:
    """Write the tables of `--by`."""
    import pandas as pd

    from harbench.analysis.render import csv_text
    from harbench.cli.by import sheets
    from harbench.errors import HarbenchError
    from harbench.running.store import default_results

    if len(protocols) > 1:
        raise HarbenchError("--by takes one score apart: give one --protocol.")
    root = results or default_results()
    condition = headline(protocols[0], scale)
    found = list(sheets(by, frame, condition, rules.metric, rules.control, root))
    numbers = pd.concat([scores for _, scores in found], ignore_index=True)
    write([sheet for sheet, _ in found], form, out, csv_text(numbers))


def rules_of(
    protocol: Protocol | None,
    *,
    control: str = "",
    metric: str | None = None,
    test: str | None = None,
    alpha: float | None = None,
    family: str | None = None,
    rows: tuple[str, ...] | None = None,
) -> Rules:
    """How a protocol compares, unless told otherwise; a sweep compares all of its variants.

    None stands for a protocol whose file is not at hand: then the suite's defaults hold.
    """
    from harbench.analysis.pairs import METRICS
    from harbench.analysis.table import Rules
    from harbench.errors import unknown
    from harbench.protocol import Headline, Significance

    said = protocol.significance if protocol else Significance()
    wanted = metric or (protocol.headline if protocol else Headline()).metric
    if wanted not in METRICS:
        raise unknown("metric", wanted, METRICS)
    sweep = tuple(protocol.variants) if protocol and len(protocol.variants) > 1 else ()
    return Rules(
        metric=wanted,
        control=control,
        test=test or said.test,
        alpha=said.alpha if alpha is None else alpha,
        family=family or said.family,
        rows=rows or sweep or said.rows or None,
        metrics=protocol.metrics if protocol else (),
    )


def headline(protocol: object, scale: str | None = None) -> Condition:
    """The condition that a protocol stands for, or the like at another scale.

    That is the one of the headline's rate, or else the only one there. A protocol that takes
    nothing away keeps its headline beside others. Raises HarbenchError for an unknown scale.
    """
    from harbench.analysis.pairs import ORDER, Condition
    from harbench.errors import HarbenchError, unknown
    from harbench.protocol import Protocol

    assert isinstance(protocol, Protocol)
    wanted = protocol.headline
    if scale is None or (scale in ORDER and not any(c.corrupts for c in protocol.conditions)):
        return Condition(protocol.name, wanted.scale, wanted.rate)
    rates = [c.rate for c in protocol.conditions if c.scale == scale]
    if not rates:
        raise unknown(f"scale of {protocol.name}", scale, {c.scale for c in protocol.conditions})
    if wanted.rate not in rates and len(rates) > 1:
        shown = ", ".join(f"{100 * rate:g} %" for rate in rates)
        raise HarbenchError(
            f"{protocol.name} has {scale} at {shown}, and none is its headline's rate. Take a "
            "protocol whose headline is at that scale."
        )
    return Condition(protocol.name, scale, wanted.rate if wanted.rate in rates else rates[0])


def _control(given: str | None, frame: pd.DataFrame) -> str:
    if given is not None:
        return given
    from harbench.analysis.pairs import row_names

    # A sweep's rows are its variants.
    rows = set(row_names(frame))
    return next((name for name in ("robusthar", "full") if name in rows), "")


def _curve(frame: pd.DataFrame) -> str:
    """The first scale with several rates, mixed before others."""
    from harbench.analysis.robustness import curve_scales

    return next(iter(curve_scales(frame)), "mixed")
