"""`harbench figure`: draw what has been run."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.complete import Budget, Datasets, Methods, Metric, Protocols, Results
from harbench.cli.reading import chosen
from harbench.cli.say import say

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


CONTROL = "robusthar"


class Kind(StrEnum):
    """What can be drawn."""

    ranking = "ranking"
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
    out: Annotated[Path, typer.Option(help="PDF, PNG or SVG file.")],
    kind: Annotated[Kind, typer.Argument(help="What to draw.")] = Kind.ranking,
    metric: Metric = "f1_macro",
    method: Methods = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    budget: Budget = None,
    condition: Annotated[
        str | None, typer.Option(help='Only this test condition, for example "mixed 10 %".')
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="Only complete windows and those of these scales (repeatable)."),
    ] = None,
    control: Annotated[
        str, typer.Option(help="Highlight this method; slope and area compare with it.")
    ] = CONTROL,
    window: Annotated[
        int | None,
        typer.Option(min=0, help="Of reconstruction: which test window; the most varied one."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of reconstruction.")] = 0,
    results: Results = None,
) -> None:
    """Draw records as a figure for a paper.

    ranking: sorted means with intervals. missing: scores against missing rate, per scale. slope:
    points lost per 1 % missing. area: area under those curves against a control. ablation: variants
    less the full one. sweep: variants along a number. labels: scores against labelled share. cost:
    scores against training time. ranks: critical difference diagram. confusion: one method,
    dataset, protocol and condition. reconstruction: what a pre-trained method rebuilds (trains it
    where it is not cached). learning: validation scores along training, of tables of `tune --grid`,
    and where the patience of budget quick ends it (--budget long, the default: would end it).
    """
    from harbench.analysis.figures.style import require_ending
    from harbench.analysis.pairs import METRICS
    from harbench.errors import HarbenchError, unknown

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    require_ending("--out", out)
    if scale and (condition or kind in (Kind.confusion, Kind.reconstruction, Kind.learning)):
        raise HarbenchError(
            "--scale is of figures over several conditions: leave it out here, or --condition."
        )
    if kind is Kind.reconstruction:
        if len(method or ()) > 1 or len(dataset or ()) > 1 or protocol or condition:
            raise HarbenchError("A reconstruction is of one --method and --dataset, nothing else.")
        drawn = rebuilt(method, dataset, budget, seed, window)
    elif kind is Kind.learning:
        if protocol or condition:
            raise HarbenchError("Learning curves have no --protocol and no --condition.")
        drawn = learnt(results, budget or "long", method, dataset)
    else:
        drawn = draw(
            kind, metric, control, results, method, dataset, protocol, budget, condition, scale
        )
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
    condition: str | None = None,
    scales: list[str] | None = None,
) -> Figure:
    """A figure of the records that the filters leave."""
    from harbench.analysis.figures import against, bars, curves
    from harbench.analysis.figures.ranking import ranking
    from harbench.analysis.pairs import require_names, row_names

    frame = chosen(
        results,
        confusion=kind is Kind.confusion,
        method=method,
        dataset=dataset,
        protocol=protocol,
        budget=budget,
    )
    if kind is Kind.confusion:
        frame = _one(frame, condition)
        name, data = str(row_names(frame).iloc[0]), str(frame["dataset"].iloc[0])
        return bars.confusion(frame, name, class_names(data))
    if condition:
        frame = _one_condition(frame, condition)
    if scales:
        frame = _of_scales(frame, scales)
    if control != CONTROL:
        require_names(row_names(frame), [control])
    if kind is Kind.ranking:
        return ranking(frame, metric, control)
    if kind in (Kind.slope, Kind.area):
        drawn = against.slope if kind is Kind.slope else against.areas
        return drawn(frame, control, metric)
    if kind is Kind.ablation:
        return bars.ablation(frame, metric, variants(frame))
    if kind is Kind.sweep:
        return curves.sweep(frame, metric)
    if kind is Kind.ranks:
        return bars.critical_difference(frame, metric)
    lines = {Kind.missing: curves.missing, Kind.labels: curves.labels, Kind.cost: bars.cost}
    return lines[kind](frame, metric, control if (row_names(frame) == control).any() else "")


def variants(frame: pd.DataFrame) -> list[str]:
    """The variants of the records' protocols, in the order of the protocols' files."""
    from harbench import registry

    known = set(registry.protocol_names())
    names = [name for name in sorted(frame["protocol"].unique()) if name in known]
    return [variant for name in names for variant in registry.protocol(name).variants]


def _one(frame: pd.DataFrame, condition: str | None) -> pd.DataFrame:
    """The records of one method, dataset, protocol and condition; HarbenchError for several."""
    from harbench.analysis.pairs import row_names
    from harbench.errors import HarbenchError

    if condition:
        frame = _one_condition(frame, condition)
    found: dict[str, Iterable[object]] = {
        "method": row_names(frame),
        "dataset": frame["dataset"],
        "protocol": frame["protocol"],
        "condition": _conditions(frame),
    }
    for option, values in found.items():
        names = list(dict.fromkeys(map(str, values)))
        if len(names) > 1:
            raise HarbenchError(
                f"A confusion matrix is of one {option}; there are {', '.join(names)}. Choose: "
                f"--{option} {quote(names[0])}."
            )
    return frame


def _one_condition(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The records of a test condition in words ("mixed 10 %")."""
    from harbench.errors import unknown

    words = _conditions(frame)
    if condition not in words:
        raise unknown("condition of these records", condition, set(words))
    return frame[[each == condition for each in words]]


def _of_scales(frame: pd.DataFrame, scales: list[str]) -> pd.DataFrame:
    """The records of complete windows and of some scales."""
    from harbench.errors import unknown

    known = set(frame["scale"]) - {"clean"}
    for scale in scales:
        if scale not in known:
            raise unknown("scale of these records", scale, known)
    return frame[frame["scale"].isin(["clean", *scales])]


def _conditions(frame: pd.DataFrame) -> list[str]:
    """Each record's test condition in words."""
    from harbench.analysis.pairs import tested

    return [tested(*key) for key in zip(frame["scale"], frame["rate"], strict=True)]


def rebuilt(
    method: list[str] | None,
    dataset: list[str] | None,
    budget: str | None,
    seed: int = 0,
    window: int | None = None,
) -> Figure:
    """Original, masked part and reconstruction of a test window."""
    from harbench.analysis.figures.reconstruction import reconstruction
    from harbench.running.grid import Grid
    from harbench.running.plan import make_plan
    from harbench.running.reconstruct import reconstruct
    from harbench.running.scout import require_sound

    names, data = method or ["robusthar"], dataset or ["spar"]
    (run,) = runs = make_plan(Grid(names[:1], ["clean"], data[:1], [seed], budget or "quick"))
    require_sound(runs)
    found = reconstruct(run, window)
    return reconstruction(
        *(found.original, found.scales, found.rate, found.label),
        *(found.sensors, found.channels, found.about),
    )


def learnt(
    results: Path | None, name: str, methods: list[str] | None, datasets: list[str] | None
) -> Figure:
    """Learning curves of a budget, with the patience of quick."""
    from harbench.analysis.figures.learning import Line, learning
    from harbench.method import BUDGETS
    from harbench.running.curves import learning_curves, patient
    from harbench.running.store import default_results

    patience = BUDGETS["quick"].patience
    assert patience is not None, "quick ends stages early"
    lines = []
    for method, data, curve in learning_curves(
        results or default_results(), name, methods, datasets
    ):
        chosen, end = patient(curve, patience)
        steps = [epoch * curve.steps for epoch in curve.scored]
        at = curve.scored.index(chosen)
        lines.append(Line(method, data, steps, curve.validation_f1, at, end * curve.steps))
    return learning(lines, name)


def class_names(dataset: str) -> list[str] | None:
    """The names of a dataset's classes; None where it is not known here."""
    from harbench.data import store
    from harbench.errors import HarbenchError

    try:
        canonical, described = store.resolve(dataset)
        if not described.info.classes and store.is_prepared(canonical):
            return list(store.load(canonical).info.classes)
        return list(described.info.classes) or None
    except HarbenchError:
        return None
