"""`harbench figure`: draw what has been run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say
from harbench.cli.table import Filter, chosen

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Kind(StrEnum):
    """What can be drawn."""

    missing = "missing"
    slope = "slope"
    area = "area"
    ablation = "ablation"
    sweep = "sweep"
    labels = "labels"
    cost = "cost"
    ranks = "ranks"
    confusion = "confusion"
    reconstruction = "reconstruction"
    learning = "learning"


def figure(
    kind: Annotated[Kind, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="PDF, PNG or SVG file.")],
    metric: Annotated[
        str, typer.Option(help="accuracy, f1_macro, f1_weighted, balanced_accuracy.")
    ] = "f1_macro",
    method: Filter = None,
    dataset: Filter = None,
    protocol: Filter = None,
    budget: Annotated[str | None, typer.Option(help="Where records have several.")] = None,
    control: Annotated[
        str, typer.Option(help="Of slope and area: compare with this.")
    ] = "robusthar",
    window: Annotated[
        int | None,
        typer.Option(min=0, help="Of reconstruction: which test window; the most varied one."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of reconstruction.")] = 0,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Draw records as a figure for a paper.

    missing: scores against missing rate, per scale. slope: points lost per 1 % missing. area:
    area under those curves against a control. ablation, sweep: variants of such a protocol.
    labels: scores against labelled share. cost: scores against training time. ranks: critical
    difference diagram. confusion: one method, dataset, condition. reconstruction: what a
    pre-trained method rebuilds (trains it where it is not cached). learning: validation scores
    along training, of tables of `tune --grid` (--budget long), and where the patience of budget
    quick would end it.
    """
    from harbench.analysis.pairs import METRICS
    from harbench.errors import unknown

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if kind is Kind.reconstruction:
        drawn = rebuilt(method, dataset, budget, seed, window)
    elif kind is Kind.learning:
        drawn = learnt(results, budget or "long")
    else:
        drawn = draw(kind, metric, control, results, method, dataset, protocol, budget)
    write_figure(drawn, out)


def write_figure(figure: Figure, out: Path) -> None:
    """Write a figure whole or not at all, and say so."""
    from harbench.analysis.figures.style import encoded
    from harbench.data.paths import writing

    data = encoded(figure, out.suffix)
    with writing(out) as temporary:
        temporary.write_bytes(data)
    say(f"Wrote {out}")


def draw(
    kind: Kind,
    metric: str,
    control: str,
    results: Path | None,
    method: list[str] | None,
    dataset: list[str] | None,
    protocol: list[str] | None,
    budget: str | None,
) -> Figure:
    """A figure of the records that the filters leave."""
    from harbench.analysis.figures import bars, curves

    frame = chosen(
        results,
        confusion=kind is Kind.confusion,
        method=method,
        dataset=dataset,
        protocol=protocol,
        budget=budget,
    )
    if kind is Kind.confusion:
        # One condition: the most demanding of those that are left, mixed before single scales.
        last = frame.sort_values(["rate", "scale"], kind="stable").iloc[-1]
        scale = "mixed" if (frame["scale"] == "mixed").any() else last["scale"]
        frame = frame[(frame["scale"] == scale) & (frame["rate"] == last["rate"])]
        names = class_names(str(frame["dataset"].iloc[0]))
        return bars.confusion(frame, str(frame["method"].iloc[0]), names)
    if kind in (Kind.slope, Kind.area):
        against = curves.slope if kind is Kind.slope else curves.areas
        return against(frame, control, metric)
    simple = {
        Kind.missing: curves.missing,
        Kind.sweep: curves.sweep,
        Kind.labels: curves.labels,
        Kind.ablation: bars.ablation,
        Kind.cost: bars.cost,
        Kind.ranks: bars.critical_difference,
    }
    return simple[kind](frame, metric)


def rebuilt(
    method: list[str] | None,
    dataset: list[str] | None,
    budget: str | None,
    seed: int = 0,
    window: int | None = None,
) -> Figure:
    """Original, masked part and reconstruction of a test window."""
    from harbench.analysis.figures.reconstruction import reconstruction
    from harbench.running.plan import make_plan
    from harbench.running.reconstruct import reconstruct

    names, data = method or ["robusthar"], dataset or ["spar"]
    (run,) = make_plan(names[:1], data[:1], ["clean"], [seed], budget or "quick")
    found = reconstruct(run, window)
    return reconstruction(found.original, found.scales, found.rate, found.label)


def learnt(results: Path | None, name: str) -> Figure:
    """Learning curves of a budget, with the patience of quick."""
    from harbench.analysis.figures.learning import Line, learning
    from harbench.method import BUDGETS
    from harbench.running.curves import learning_curves, patient
    from harbench.running.store import default_results

    patience = BUDGETS["quick"].patience
    assert patience is not None, "quick ends stages early"
    lines = []
    for title, curve in learning_curves(results or default_results(), name):
        chosen, end = patient(curve, patience)
        steps = [epoch * curve.steps for epoch in curve.scored]
        at = curve.scored.index(chosen)
        lines.append(Line(title, steps, curve.validation_f1, at, end * curve.steps))
    return learning(lines)


def class_names(dataset: str) -> list[str] | None:
    """The names of a dataset's classes; None where it is not known here."""
    from harbench.data import store
    from harbench.errors import HarbenchError

    try:
        canonical, described = store.resolve(dataset)
        if store.is_prepared(canonical):
            return list(store.load(canonical).info.classes)
        return list(described.info.classes) or None
    except HarbenchError:
        return None
