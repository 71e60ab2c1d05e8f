"""Two methods compared, condition by condition and pooled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from unit.frames import CLEAN, MIXED, SCORES, records

from harbench.analysis.compare import compare, compared, verdict, word
from harbench.analysis.pairs import Condition
from harbench.errors import HarbenchError


def test_compare_in_plain_words() -> None:
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    *rows, pooled = compare(frame, "robusthar", "bad_one", "accuracy", "nb-t")
    assert [row.where for row in rows] == ["dsads, clean", "dsads, missing-10 (mixed 10 %)"]
    assert pooled.where == "all together" and pooled.result.n == 5
    words = verdict(rows[0], "robusthar", "bad_one")
    assert words.startswith("robusthar is better than bad_one (p = ")
    even = records({"a": [1, 2, 3, 4, 5], "b": [2, 1, 3, 5, 4]})
    (row,) = compare(even, "a", "b", "accuracy", "nb-t")
    words = verdict(row, "a", "b")
    assert words.startswith("no evidence of a difference (p = 1): the interval is -")
    rates = [Condition(f"missing-{r}", "mixed", r / 100) for r in (5, 10, 15)]
    near = records({"a": [92, 94, 93], "b": [90, 91, 90]}, conditions=[CLEAN, *rates])
    row = compare(near, "a", "b", "accuracy", "nb-t")[0]
    assert row.result.p < 0.05 < row.result.adjusted_p and row.result.low > 0
    assert verdict(row, "a", "b").startswith("a difference before Holm's adjustment only (p = 0.")
    (row,) = compare(even, "a", "b", "accuracy", "signflip")
    assert "cannot reach alpha with n = 5" in verdict(row, "a", "b")
    (row,) = compare(records({"a": [2], "b": [1]}), "a", "b", "accuracy", "nb-t")
    assert "one seed only" in verdict(row, "a", "b")


def test_signs_over_datasets_of_one_seed_are_a_statement_without_an_interval() -> None:
    frame = records({"a": [90.0], "b": [88.0]}, datasets=[f"d{i}" for i in range(10)])
    frame["accuracy"] += (frame["method"] == "a") * range(20) / 1000
    pooled = compare(frame, "a", "b", "accuracy", "signflip")[-1]
    assert word(pooled) == "better"
    assert verdict(pooled, "a", "b").endswith("points, without an interval")


def test_methods_are_compared_on_the_datasets_that_both_have() -> None:
    frame = records(SCORES, datasets=("x", "y"), conditions=(CLEAN, MIXED))
    frame = frame[~((frame["method"] == "cnn") & (frame["dataset"] == "y"))]
    *rows, pooled = compare(frame, "robusthar", "cnn", "accuracy", "nb-t")
    assert len(rows) == 2 and pooled.result.n == 5 and pooled.dropped == 5
    # 96.0 beats one and ties two of them, 95.5 ties one, 96.5 beats three and ties one.
    assert pooled.ahead == (6.0, 25)


def test_methods_that_share_nothing_are_not_compared() -> None:
    frame = pd.concat([records({"a": [1]}), records({"b": [1]}, conditions=(MIXED,))])
    with pytest.raises(HarbenchError, match="no condition"):
        compare(frame, "a", "b", "accuracy", "nb-t")


def test_a_comparison_is_printed_with_a_word_for_each_difference() -> None:
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    rows = compare(frame, "robusthar", "bad_one", "accuracy", "nb-t")
    sheet = compared(rows, "robusthar", "bad_one", "accuracy", 0.05, ["a note"])
    assert sheet.rows == ["dsads, clean", "dsads, missing-10 (mixed 10 %)", "all together"]
    texts = {lane.title: [piece.text for piece in lane.pieces] for lane in sheet.lanes}
    assert list(texts) == ["n", "a - b", "lower", "upper", "same", "ahead", "verdict"]
    assert texts["verdict"] == ["better"] * 3 and texts["ahead"] == ["25/25"] * 3
    assert texts["a - b"][0] == f"{np.mean(SCORES['robusthar']) - np.mean(SCORES['bad_one']):+.2f}"
    low, high = float(texts["lower"][0]), float(texts["upper"][0])
    assert low < float(texts["a - b"][0]) < high
    assert sheet.caption.endswith("a = RobustHAR, b = bad_one.") and sheet.notes == ["a note"]
    swapped = compared(
        compare(frame, "bad_one", "robusthar", "accuracy", "nb-t"), "b", "a", "accuracy", 0.05, []
    )
    assert [piece.text for piece in swapped.lanes[-1].pieces] == ["worse"] * 3


def test_a_comparison_of_one_seed_makes_no_statement() -> None:
    frame = records({"a": [90.0], "b": [80.0]})
    sheet = compared(compare(frame, "a", "b", "accuracy", "nb-t"), "a", "b", "accuracy", 0.05, [])
    texts = {lane.title: lane.pieces[0].text for lane in sheet.lanes}
    assert texts["a - b"] == "+10.00" and texts["verdict"] == "n/a"
    assert texts["lower"] == texts["upper"] == texts["same"] == ""


def test_of_several_datasets_each_is_averaged_before_all_are_pooled() -> None:
    """As it is by itself; one condition of a dataset is a row already."""
    frame = records(SCORES, datasets=("x", "y", "z"), conditions=(CLEAN, MIXED))
    frame = frame[(frame["dataset"] != "z") | (frame["scale"] == "clean")]
    frame.loc[frame["dataset"] == "y", "accuracy"] **= 2
    rows = {row.where: row for row in compare(frame, "robusthar", "cnn", "accuracy", "nb-t")}
    assert list(rows)[-3:] == ["all of x", "all of y", "all together"]
    alone = compare(frame[frame["dataset"] == "y"], "robusthar", "cnn", "accuracy", "nb-t")
    assert rows["all of y"].result == alone[-1].result and alone[-1].where == "all together"
    pooled = rows["all together"].result
    assert pooled.n == 15 and pooled.test == "nb-t-pooled"
    means = [rows[where].result.effect for where in ("all of x", "all of y", "z, clean")]
    assert pooled.effect == pytest.approx(np.mean(means))


def test_what_trains_differently_is_averaged_apart_on_each_dataset() -> None:
    full = Condition("full-labels", "clean", 0.0)
    frame = records(SCORES, datasets=("x", "y"), conditions=(CLEAN, MIXED, full))
    names = [row.where for row in compare(frame, "robusthar", "cnn", "accuracy", "nb-t")]
    both = "clean, missing-10"
    pooled = [f"all of {both}, x", f"all of {both}, y", f"all of {both}", "all of full-labels"]
    assert sorted(names[-4:]) == sorted(pooled)
