"""How long a stage lasts: the one place that turns a budget into epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harbench.method import Budget, FitStage, Patience, Stage

# Scoring the validation windows costs more than a few steps of training.
STEPS_BETWEEN_SCORES = 25


@dataclass(frozen=True)
class Length:
    """What a budget gives a stage. epochs: at most. steps: optimiser steps in each epoch.

    scored: the validation windows are scored after every so many epochs, and after the last one.
    patience: epochs without improvement after which the stage ends, a multiple of `scored`; None if
    it never ends early.
    """

    epochs: int
    steps: int
    scored: int = 1
    patience: int | None = None

    @property
    def total_steps(self) -> int:
        """Optimiser steps of a stage that does not end early."""
        return self.epochs * self.steps

    def over(self, epoch: int, improved: int) -> bool:
        """Whether a stage ends after `epoch` (from 1), `improved` being the last better one."""
        waited = epoch - improved
        return epoch >= self.epochs or (self.patience is not None and waited >= self.patience)

    def scores(self, epoch: int) -> bool:
        """Whether the validation windows are scored after `epoch`, counted from 1."""
        return epoch % self.scored == 0 or epoch == self.epochs


def steps_per_epoch(windows: int, batch_size: int) -> int:
    """Batches of an epoch; a last batch of a single window joins the one before.

    Batch normalisation cannot train on a single window.
    """
    alone = windows > batch_size and windows % batch_size == 1
    return math.ceil(windows / batch_size) - alone


def stage_length(stage: Stage | FitStage, windows: int, budget: Budget) -> Length:
    """The length of `stage` on so many windows.

    A labelled stage takes its epochs, or as many as the budget's steps need: batches are larger in
    one method than in another. An unlabelled stage takes its epochs alone: it sees every training
    window, several times the labelled ones, and has no score that could tell when to stop.
    """
    if isinstance(stage, FitStage):
        return Length(1, 1)
    steps = steps_per_epoch(windows, stage.batch_size)
    scored = scoring_interval(steps)
    if not stage.labelled:
        return Length(stage.epochs, steps, scored)
    epochs = max(stage.epochs, math.ceil(budget.steps / steps))
    if budget.patience is None or stage.select != "validation":
        return Length(epochs, steps, scored)
    return Length(epochs, steps, scored, epochs_waited(budget.patience, steps))


def scoring_interval(steps: int) -> int:
    """After how many epochs of so many steps the validation windows are scored."""
    return math.ceil(STEPS_BETWEEN_SCORES / steps)


def epochs_waited(patience: Patience, steps: int) -> int:
    """A patience in epochs of so many steps, a multiple of the scoring interval."""
    waits, scored = max(patience.epochs, math.ceil(patience.steps / steps)), scoring_interval(steps)
    return scored * math.ceil(waits / scored)
