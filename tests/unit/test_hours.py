"""What records have cost: shared trainings once, every evaluation."""

from __future__ import annotations

import pandas as pd
import pytest
from unit.frames import CLEAN, MIXED, records

from harbench.analysis.hours import hours, hours_sheet


def spent(frame: pd.DataFrame, seconds: list[float]) -> pd.DataFrame:
    """720 test windows at one in a second, 72 of them scored; training took `seconds` of a seed."""
    return frame.assign(
        n=72,
        n_test=720,
        windows_per_second=1.0,
        device="cpu",
        budget="quick",
        fingerprint="f",
        train_seconds=frame["seed"].map(dict(enumerate(seconds))),
    )


def test_a_training_counts_once_and_an_evaluation_always() -> None:
    both = records({"cnn": [80.0, 90], "msgnet": [1.0, 2]}, conditions=[CLEAN, MIXED])
    frame = spent(both, [1800, 3600])
    found = hours(frame).set_index("method")
    assert found["trainings"].to_dict() == {"cnn": 2, "msgnet": 2}
    assert found["training"].tolist() == pytest.approx([1.5, 1.5])
    # Two seeds under two conditions, a fifth of an hour each.
    assert found["evaluation"].tolist() == pytest.approx([0.8, 0.8])


def test_the_dearest_comes_first_and_the_sum_last() -> None:
    cheap = spent(records({"cnn": [80.0, 90]}), [36, 36])
    dear = spent(records({"msgnet": [80.0, 90]}), [36000, 36000])
    sheet = hours_sheet(hours(pd.concat([cheap, dear])))
    assert sheet.rows == ["dsads, MSGNet, quick, cpu", "dsads, CNN, quick, cpu", "all"]
    texts = {lane.title: [piece.text for piece in lane.pieces] for lane in sheet.lanes}
    assert texts["trainings"] == ["2", "2", "4"]
    assert texts["sum"] == ["20.40", "0.42", "20.82"]
