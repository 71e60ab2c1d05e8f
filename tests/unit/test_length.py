"""How long stages last: floors of optimiser steps, patience on validation windows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from unit.toy import Killed, Toy, ToyConfig, killer, same, training, weights

from harbench.method import BUDGETS, Budget, Patience, Stage
from harbench.running.curves import patient
from harbench.running.tune import curve_of
from harbench.training.cache import StageCache
from harbench.training.fit import Progress, fit, stage_lengths
from harbench.training.identity import Training
from harbench.training.length import Length, stage_length, steps_per_epoch


def stopping(epochs: int = 60) -> Training:
    """A training whose fine-tuning ends early: its validation scores soon stop improving."""
    return training(ToyConfig(lr=0.3), (1, epochs), patience=Patience(4, 0))


def to_the_end() -> Training:
    """The same training without patience."""
    plan = stopping()
    return dataclasses.replace(plan, budget=dataclasses.replace(plan.budget, patience=None))


def test_patience_ends_a_stage_and_keeps_the_best_epoch() -> None:
    news: list[Progress] = []
    cost = fit(stopping(), report=news.append).stages[1]
    length = stage_lengths(stopping())[1]
    assert length.patience is not None
    scored = {i: line for i, line in enumerate(cost.history, 1) if len(line) > 1}
    assert list(scored) == list(range(length.scored, cost.epochs + 1, length.scored))
    f1 = {i: line["validation_f1"] for i, line in scored.items()}
    loss = {i: line["validation_loss"] for i, line in scored.items()}
    assert f1[cost.best_epoch] == max(f1.values())
    improved = max(cost.best_epoch, min(loss, key=loss.__getitem__))
    assert cost.epochs == len(cost.history) == improved + length.patience < 60
    assert news[-1].epoch == news[-1].epochs == cost.epochs, "the last news says that it has ended"
    assert news[-1].seconds_left == 0


def test_a_long_curve_tells_where_patience_would_have_ended_it() -> None:
    ended, whole = (fit(plan).stages[1] for plan in (stopping(), to_the_end()))
    assert patient(curve_of(whole), Patience(4, 0)) == (ended.best_epoch, ended.epochs)


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
    waiting = of(True, Patience(7, 500))
    assert waiting.patience is not None and waiting.patience % waiting.scored == 0
    needed = max(7, -(-500 // found.steps))
    assert needed <= waiting.patience < needed + waiting.scored


@given(windows=st.integers(2, 2000), batch=st.integers(2, 300), epochs=st.integers(1, 60))
def test_the_last_epoch_is_scored_and_others_when_enough_steps_have_passed(
    windows: int, batch: int, epochs: int
) -> None:
    stage = Stage("s", F.mse_loss, epochs, batch, True, torch.optim.Adam, select="validation")
    length = stage_length(stage, windows, Budget("test", 1, 1))
    scored = [0, *(epoch for epoch in range(1, epochs + 1) if length.scores(epoch))]
    gaps = np.diff(scored) * length.steps
    assert scored[-1] == epochs
    assert (gaps[:-1] >= 25).all() and (gaps < 25 + length.steps).all()


def test_only_quick_ends_stages_early() -> None:
    assert {name for name, budget in BUDGETS.items() if budget.patience} == {"quick"}
