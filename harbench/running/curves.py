"""Learning curves from tables of `tune --grid`, and what a patience would have made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from harbench.errors import unknown
from harbench.method import Patience
from harbench.options import format_spec, parse_spec
from harbench.running.tuned import Curve, read_tuning, trial_spec
from harbench.training.length import epochs_waited


def learning_curves(
    root: Path,
    budget: str,
    methods: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
) -> list[tuple[str, str, Curve]]:
    """(method, dataset, last stage) of every trial below <root>/choices made with this budget.

    The method is a spec of what differs from its defaults; what several tables have is there once.
    methods, datasets: only these. Raises HarbenchError for a method that has no curve.
    """
    wanted = {_canonical(each) for each in methods or ()}
    found: dict[tuple[str, str, int], Curve] = {}
    for path in sorted((root / "choices").rglob("seed-*.json")):
        record = read_tuning(path)
        search = record.search
        if search.budget != budget or (datasets and search.dataset not in datasets):
            continue
        for trial in record.trials:
            name = trial_spec(search, trial)
            # A stage that keeps its last epoch is not scored on the way.
            if trial.stages and trial.stages[-1].scored:
                found[name, search.dataset, search.seed] = trial.stages[-1]
    names = {name for name, *_ in found}
    for name in sorted(wanted - names) if found else ():
        raise unknown("method in the learning curves", name, names)
    return [
        (n, dataset, curve) for (n, dataset, _), curve in found.items() if n in (wanted or names)
    ]


def _canonical(spec: str) -> str:
    """The spec as `trial_spec` writes it: a value with commas is a list."""
    name, options = parse_spec(spec)
    return format_spec(name, {key: text.split(",") for key, text in options.items()})


def patient(curve: Curve, patience: Patience) -> tuple[int, int]:
    """The epoch that would be chosen, and the one after which the stage would end."""
    waits = epochs_waited(patience, curve.steps)
    best, lowest = (-1.0, -math.inf), math.inf
    chosen = improved = 0
    scored = zip(curve.scored, curve.validation_f1, curve.validation_loss, strict=True)
    for epoch, f1, loss in scored:
        if (f1, -loss) > best:
            best, chosen, improved = (f1, -loss), epoch, epoch
        if loss < lowest:
            lowest, improved = loss, epoch
        if epoch - improved >= waits:
            return chosen, epoch
    return chosen, curve.epochs
