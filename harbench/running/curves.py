"""Learning curves from tables of `tune --grid`, and what a patience would have made of them."""

from __future__ import annotations

import math
from pathlib import Path

from harbench.method import Patience
from harbench.running.tuned import Curve, read_tuning
from harbench.training.length import epochs_waited


def learning_curves(root: Path, budget: str) -> list[tuple[str, Curve]]:
    """The last stage of every trial below <root>/choices that was made with this budget."""
    found = []
    for path in sorted((root / "choices").rglob("seed-*.json")):
        record = read_tuning(path)
        if record.search.budget == budget:
            name = path.parent.name.rpartition("+")[0]
            found += [(name, trial.stages[-1]) for trial in record.trials if trial.stages]
    return found


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
