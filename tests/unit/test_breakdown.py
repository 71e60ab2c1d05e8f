"""Scores by class and by person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unit.frames import CLEAN, made_up_identity, made_up_record, records

from harbench.analysis.breakdown import broken_down, by_class, caption
from harbench.errors import HarbenchError
from harbench.running import subjects
from harbench.running.subjects import subject_scores


def test_classes_are_sorted_by_how_hard_they_are() -> None:
    frame = records({"robusthar": [90.0, 92.0], "cnn": [80.0, 82.0]})
    frame["f1_per_class"] = [[0.9, 0.5, None], [0.7, 0.5, None], [0.8, 0.2, 0.1], [0.6, 0.4, None]]
    scores = by_class(frame, CLEAN, ["sit", "walk", "run"])
    assert len(scores) == 9
    sheet = broken_down(scores, "class", caption(frame, "F1", CLEAN), "robusthar")
    assert sheet.caption == "F1 in %: dsads, protocol clean (clean), budget quick."
    assert sheet.rows == ["run", "walk", "sit"]
    assert [lane.title for lane in sheet.lanes] == ["RobustHAR (control)", "CNN"]
    assert [piece.text for piece in sheet.lanes[0].pieces] == ["-", "50.0", "80.0"]
    assert [piece.text for piece in sheet.lanes[1].pieces] == ["10.0", "30.0", "70.0"]
    assert [piece.place for piece in sheet.lanes[0].pieces] == [0, 1, 1]
    assert set(by_class(frame, CLEAN, [])["part"]) == {"0", "1", "2"}


def test_people_come_from_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    record = made_up_record(made_up_identity(3))
    answers = pd.DataFrame(
        {
            "condition": ["clean"] * 4 + ["mixed 10 %"],
            "subject": ["ann", "ann", "bob", "bob", "ann"],
            "true": [0, 1, 0, 1, 0],
            "predicted": [0, 1, 1, 1, 1],
            "probability_0": np.zeros(5),
            "probability_1": np.ones(5),
        }
    )
    monkeypatch.setattr(subjects, "exported", lambda *_: answers)
    scores, absent = subject_scores([(Path("cnn/seed-3.json"), record)], "clean", "accuracy")
    assert absent == [] and list(scores["score"]) == [1.0, 0.5]
    assert list(scores["part"]) == ["ann", "bob"] and set(scores["name"]) == {"cnn"}


def test_lost_predictions_are_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path))
    found = [(Path(f"cnn/seed-{seed}.json"), made_up_record(made_up_identity(seed)))
             for seed in range(2)]  # fmt: skip
    with pytest.raises(HarbenchError, match=r"--force So it is with 2 records\..*HARBENCH_CACHE"):
        subject_scores(found, "clean", "accuracy")
