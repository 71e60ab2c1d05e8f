"""Leakage probes: what a method must not know is replaced by junk, and nothing may change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from harbench.testing.windows import made_up, scores, training, with_junk
from harbench.training.fit import Fitted, fit
from harbench.training.identity import Training

SHAPE = (40, 2, 3)


class CheckError(Exception):
    """A method does not do what every method must do."""


def _genuine(method: str) -> Training:
    return training(method, made_up(SHAPE))


def _junk(plan: Training, rows: np.ndarray, what: str) -> Training:
    """The same training, split included, on a dataset in which `what` of `rows` is nonsense."""
    return replace(plan, dataset=with_junk(plan.dataset, rows, what))


def _weights(fitted: Fitted) -> dict[str, torch.Tensor]:
    # Not the pickle of a fitted object: equal objects may have unequal ones.
    state = fitted.network.state_dict()
    return {k: v.clone() for k, v in state.items() if not k.endswith("_extra_state")}


def _same_weights(plan: Training, rows: np.ndarray, what: str, words: str) -> None:
    first, second = fit(plan), fit(_junk(plan, rows, what))
    before, after = _weights(first), _weights(second)
    changed = [key for key, value in before.items() if not torch.equal(value, after[key])]
    if changed:
        raise CheckError(f"training depends on {words}: {changed[0]} changed")
    genuine = plan.split.validation
    if not torch.equal(scores(plan, first, genuine), scores(plan, second, genuine)):
        raise CheckError(f"training depends on {words}: other scores come out")


def training_ignores_test_windows(method: str) -> None:
    """Junk in place of the test windows leaves every trained weight as it was."""
    plan = _genuine(method)
    _same_weights(plan, plan.split.test, "windows", "test windows")


def training_ignores_test_labels(method: str) -> None:
    """Junk in place of the test labels leaves every trained weight as it was."""
    plan = _genuine(method)
    _same_weights(plan, plan.split.test, "labels", "test labels")


def training_ignores_withheld_labels(method: str) -> None:
    """Junk in place of the unlabelled windows' labels leaves every trained weight as it was."""
    plan = _genuine(method)
    rows = np.setdiff1d(plan.split.train, plan.split.labelled)
    _same_weights(plan, rows, "labels", "labels of unlabelled windows")


def scoring_ignores_test_labels(method: str) -> None:
    """The scores of the test windows do not depend on their labels."""
    plan = _genuine(method)
    fitted = fit(plan)
    other = _junk(plan, plan.split.test, "labels")
    if not torch.equal(scores(plan, fitted), scores(other, fitted)):
        raise CheckError("the scores of test windows depend on their labels")


def scoring_learns_nothing(method: str) -> None:
    """Scoring junk first changes neither the weights nor the scores of the test windows."""
    plan = _genuine(method)
    fitted = fit(plan)
    before, wanted = _weights(fitted), scores(plan, fitted)
    scores(_junk(plan, plan.split.test, "windows"), fitted)
    if not torch.equal(scores(plan, fitted), wanted):
        raise CheckError("scores change after other windows were scored")
    after = _weights(fitted)
    if any(not torch.equal(value, after[key]) for key, value in before.items()):
        raise CheckError("scoring windows changes the network")


PROBES = (
    training_ignores_test_windows,
    training_ignores_test_labels,
    training_ignores_withheld_labels,
    scoring_ignores_test_labels,
    scoring_learns_nothing,
)
