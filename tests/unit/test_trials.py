"""Tables of what tuning tried."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from harbench.analysis.sheet import Sheet
from harbench.analysis.trials import trial_sheets
from harbench.errors import HarbenchError
from harbench.running.trials import trials

RESULTS = Path(__file__).resolve().parents[2] / "results"
GRID = RESULTS / "choices/dsads/subject-15-5-folds/quick/st_mae+finetune"


def put(root: Path, folder: str, name: str, seed: int, **changes: Any) -> Path:
    """A trial table made of a committed one: {key: value} of its search, and its trials."""
    record = json.loads((GRID / "seed-0.json").read_text())
    listed = changes.pop("trials", None)
    record["search"] |= changes | {"seed": seed}
    if listed is not None:
        record["trials"], record["wanted"] = listed, len(listed)
        scored = [t["f1_macro"] for t in listed if t["f1_macro"] is not None]
        record["best"] = [t["f1_macro"] for t in listed].index(max(scored)) if scored else None
    path = root / folder / "dsads/subject-15-5-folds/quick" / name / f"seed-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    return path


def trial(value: object, f1: float | None, seconds: float = 60.0) -> dict[str, Any]:
    error = "" if f1 is not None else "out of memory"
    return {"values": {"lr": value}, "f1_macro": f1, "seconds": seconds, "error": error}


def texts(sheet: Sheet) -> dict[str, list[str]]:
    return {lane.title: [piece.text for piece in lane.pieces] for lane in sheet.lanes}


def test_a_search_shows_its_default_and_its_best(tmp_path: Path) -> None:
    listed = [trial(0.001, 0.80), trial(0.0123456, 0.85), trial(0.1, None)]
    put(tmp_path, "tuning", "cnn+width=32", 0, method="cnn", trials=listed)
    put(tmp_path, "tuning", "cnn+width=32", 1, method="cnn", trials=[trial(0.1, None)])
    put(tmp_path, "tuning", "cnn+width=32", 2, method="cnn", trials=[trial(0.001, 0.7)])
    (sheet,) = trial_sheets(trials(tmp_path))
    names = [f"CNN, width=32, {words}" for words in ("seed 0", "seed 1", "seed 2", "3 seeds")]
    assert sheet.rows == names
    found = texts(sheet)
    assert found["trials"] == ["3", "1", "1", "5"]
    # What failed has no part in a mean.
    assert found["default"] == ["80.0", "failed", "70.0", "75.0 ± 5.0"]
    assert found["best"] == ["85.0", "failed", "70.0", "77.5 ± 7.5"]
    assert found["best has"] == ["lr=0.0123", "", "lr=0.001", ""]
    assert found["minutes"] == ["3.0", "1.0", "1.0", "5.0"]


def test_a_grid_shows_each_configuration_once_over_its_seeds(tmp_path: Path) -> None:
    for seed in (0, 1):
        record = json.loads((GRID / f"seed-{seed}.json").read_text())
        put(tmp_path, "choices", "st_mae+finetune", seed, trials=record["trials"])
        put(tmp_path, "choices", "st_mae+finetune+depth", seed, trials=record["trials"][:1])
    (sheet,) = trial_sheets(trials(tmp_path))
    assert sheet.rows == ["ST-MAE", "ST-MAE, finetune=probe"]
    found = texts(sheet)
    assert found["macro F1"] == ["79.4 ± 2.9", "68.6 ± 1.1"]
    assert found["each seed"] == ["0: 76.5, 1: 82.3", "0: 67.5, 1: 69.7"]


def test_what_other_code_made_is_not_averaged(tmp_path: Path) -> None:
    put(tmp_path, "choices", "st_mae+finetune", 0)
    put(tmp_path, "choices", "st_mae+finetune", 1, code="0" * 64)
    (sheet,) = trial_sheets(trials(tmp_path))
    assert "ST-MAE, code 00000000" in sheet.rows
    assert len(sheet.rows) == 4


def test_an_option_of_the_engine_is_another_configuration(tmp_path: Path) -> None:
    put(tmp_path, "choices", "st_mae+finetune", 0)
    put(tmp_path, "choices", "st_mae+augment=corruption+finetune", 0, augment="corruption")
    names = set(trials(tmp_path)["configuration"])
    assert {"st_mae", "st_mae+augment=corruption"} <= names


def test_a_failed_trial_is_a_row_without_a_score(tmp_path: Path) -> None:
    put(tmp_path, "tuning", "cnn", 0, method="cnn", trials=[trial(0.1, None)])
    (row,) = trials(tmp_path).to_dict("records")
    assert math.isnan(row["f1_macro"])
    assert row["error"] == "out of memory"
    assert not row["chosen"]


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, "tuning", "cnn", 0)
    path.write_text("{}")
    with pytest.raises(HarbenchError, match=r"seed-0\.json: .*Delete it"):
        trials(tmp_path)
