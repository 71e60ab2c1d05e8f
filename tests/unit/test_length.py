"""How long stages last: floors of optimiser steps, patience on validation windows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from unit.toy import Killed, Toy, ToyConfig, killer, same, training, weights

from harbench.method import BUDGETS, Budget, Patience, Stage
from harbench.training.cache import StageCache
from harbench.training.fit import Progress, fit
from harbench.training.identity import Training
from harbench.training.length import Length, stage_length, steps_per_epoch


def stopping(epochs: int = 60) -> Training:
    """A training whose fine-tuning ends early: its validation scores soon stop improving."""
    return training(ToyConfig(lr=0.3), (1, epochs), patience=Patience(4, 0))


def test_patience_ends_a_stage_and_keeps_the_best_epoch() -> None:
    news: list[Progress] = []
    cost = fit(stopping(), report=news.append).stages[1]
    assert cost.epochs == len(cost.history) == cost.best_epoch + 4 < 60
    f1 = [line["validation_f1"] for line in cost.history]
    assert f1[cost.best_epoch - 1] == max(f1)
    assert news[-1].epoch == news[-1].epochs == cost.epochs, "the last news says that it has ended"
    assert news[-1].seconds_left == 0


def test_patience_counts_steps_where_they_are_more_than_its_epochs() -> None:
    plan = stopping()
    steps = stage_length(plan.method.stages(plan.budget)[1], len(plan.split.labelled), plan.budget)
    budget = dataclasses.replace(plan.budget, patience=Patience(1, 6 * steps.steps))
    cost = fit(dataclasses.replace(plan, budget=budget)).stages[1]
    assert cost.epochs == min(60, cost.best_epoch + 6)


def test_a_killed_training_that_ends_early_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = fit(stopping())
    last, cache = whole.stages[1].epochs, StageCache(tmp_path)
    with pytest.raises(Killed):
        fit(stopping(), cache, killer("supervised", last))
    resumed = fit(stopping(), cache)
    assert same(weights(resumed), weights(whole))
    assert resumed.stages[1].history == whole.stages[1].history
    assert fit(stopping(), cache).stages[1].epochs == last, "a cached stage knows how long it was"


def test_a_labelled_stage_has_the_budget_s_steps_and_an_unlabelled_one_its_epochs() -> None:
    plan = training(ToyConfig(schedule=True), (2, 3), steps=50)
    costs = fit(plan).stages
    per_epoch = steps_per_epoch(len(plan.split.labelled), 8)
    assert [cost.epochs for cost in costs] == [2, -(-50 // per_epoch)]
    assert isinstance(plan.method, Toy)
    assert plan.method.seen.count(("supervised", True)) == costs[1].epochs * per_epoch >= 50


@given(
    windows=st.integers(2, 5000),
    batch=st.integers(2, 300),
    epochs=st.integers(0, 50),
    steps=st.integers(0, 3000),
)
def test_a_stage_is_as_long_as_its_epochs_and_steps_and_no_longer(
    windows: int, batch: int, epochs: int, steps: int
) -> None:
    def of(labelled: bool, patience: Patience | None = None) -> Length:
        stage = Stage(
            "s", F.mse_loss, epochs, batch, labelled, torch.optim.Adam, select="validation"
        )
        return stage_length(stage, windows, Budget("test", 1, 1, steps, patience))

    found = of(True)
    assert found.epochs >= epochs and found.total_steps >= steps
    assert found.epochs == epochs or (found.epochs - 1) * found.steps < steps
    assert of(False).epochs == epochs
    waits = of(True, Patience(7, 500)).patience
    assert waits is not None and waits >= 7 and waits * found.steps >= 500
    assert waits == 7 or (waits - 1) * found.steps < 500


def test_only_quick_ends_stages_early() -> None:
    assert {name for name, budget in BUDGETS.items() if budget.patience} == {"quick"}
