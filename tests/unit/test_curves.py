"""Learning curves out of the committed tables of `tune --grid`."""

from __future__ import annotations

from pathlib import Path

import pytest

from harbench.errors import HarbenchError
from harbench.running.curves import learning_curves

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_a_curve_is_named_by_what_differs_from_the_defaults() -> None:
    """The same configuration in two tables is drawn once, whichever way it is written."""
    names = [name for name, _, _ in learning_curves(RESULTS, "quick", datasets=["dsads"])]
    assert names.count("robusthar") == 2, "two folds; three tables have them"
    assert {"robusthar+patch_seconds=0.5", "st_mae", "st_mae+finetune=probe"} <= set(names)


def test_methods_datasets_and_budgets_filter() -> None:
    asked = "st_mae+width=32+depth=3+decoder_depth=1"
    found = learning_curves(RESULTS, "quick", [asked], ["dsads"])
    assert [name for name, _, _ in found] == ["st_mae+decoder_depth=1+depth=3+width=32"] * 2
    assert {data for _, data, _ in learning_curves(RESULTS, "quick", datasets=["spar"])} == {"spar"}
    small = "maskcae+decoder=32+channels=8,16,32,64"
    assert len(learning_curves(RESULTS, "quick", [small], ["dsads"])) == 2
    assert not learning_curves(RESULTS, "paper")
    with pytest.raises(HarbenchError, match="Unknown method in the learning curves 'cn'"):
        learning_curves(RESULTS, "quick", ["cn"])
