"""Learning curves out of the committed tables of `tune --grid`."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("scored", [1, 2], "differ in length"), ("steps", 0, "steps"), ("validation_f1", [5.0], "f1")],
)
def test_a_table_that_cannot_be_is_named(
    tmp_path: Path, key: str, value: object, words: str
) -> None:
    source = next(RESULTS.glob("choices/dsads/*/quick/st_mae+finetune/seed-0.json"))
    values = json.loads(source.read_text())
    values["trials"][0]["stages"][-1][key] = value
    path = tmp_path / source.relative_to(RESULTS)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))
    with pytest.raises(HarbenchError, match=rf"seed-0\.json: .*{words}"):
        learning_curves(tmp_path, "quick")


def test_methods_datasets_and_budgets_filter() -> None:
    asked = "st_mae+width=32+depth=3+decoder_depth=1"
    found = learning_curves(RESULTS, "quick", [asked], ["dsads"])
    assert [name for name, _, _ in found] == ["st_mae+decoder_depth=1+depth=3+width=32"] * 2
    assert {data for _, data, _ in learning_curves(RESULTS, "quick", datasets=["spar"])} == {"spar"}
    small = "maskcae+decoder=64+channels=16,32,64,128"
    assert len(learning_curves(RESULTS, "quick", [small], ["dsads"])) == 2
    assert not learning_curves(RESULTS, "paper")
    with pytest.raises(HarbenchError, match="Unknown method in the learning curves 'cn'"):
        learning_curves(RESULTS, "quick", ["cn"])
