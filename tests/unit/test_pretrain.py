"""The option pretrain=false: every method's network without what it learns unlabelled."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harbench.method import EngineOptions, FitStage
from harbench.testing.windows import made_up, scores, training
from harbench.training.fit import fit
from harbench.training.identity import Training

SCRATCH = EngineOptions(pretrain=False)
SELF_SUPERVISED = ["robusthar", "simmtm", "maskcae", "std_mae", "st_mae"]


def plan(method: str, options: EngineOptions | None = None) -> Training:
    return training(method, made_up((20, 3, 2)), options=options)


@pytest.mark.parametrize("method", SELF_SUPERVISED)
def test_only_labels_train_such_a_network(method: str) -> None:
    whole, scratch = plan(method), plan(method, SCRATCH)
    left = [stage.name for stage in whole.stages() if stage.labelled]
    fitted = fit(scratch)
    assert [cost.name for cost in fitted.stages] == left != [s.name for s in whole.stages()]
    assert scores(scratch, fitted).isfinite().all()
    assert not torch.equal(scores(scratch, fitted), scores(whole, fit(whole)))


def test_it_is_what_robusthar_calls_mstm() -> None:
    """Same initial weights, same draws: the same network to the bit."""
    scratch, own = plan("robusthar", SCRATCH), plan("robusthar")
    own = replace(own, method=type(own.method)(replace(own.method.config, mstm=False)))
    assert torch.equal(scores(scratch, fit(scratch)), scores(own, fit(own)))


@pytest.mark.parametrize("method", ["minirocket", "hydra", "random_forest"])
def test_what_no_gradient_learns_stays(method: str) -> None:
    """Random convolutions take their biases from unlabelled windows: that is no pre-training."""
    stages = plan(method, SCRATCH).stages()
    assert all(isinstance(stage, FitStage) for stage in stages)
    assert len(stages) == len(plan(method).stages())
