"""What a run answered, window by window: kept in the cache, exported, and missed in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import DATASET, LABEL, Cli, folder, read

from harbench.data import store
from harbench.running.predictions import LOWEST, labels_path

FIRST = ["method", "dataset", "protocol", "budget", "seed", "condition", "window", "subject",
         "recording", "start", "true", "true_name", "predicted", "predicted_name"]  # fmt: skip


@pytest.fixture
def path(run: Cli, tmp_path: Path) -> Path:
    assert run("missing-10", "--seeds", "0").code == 0
    return folder(tmp_path / "results", "missing-10") / "seed-0.json"


def cached(path: Path, tmp_path: Path) -> Path:
    return Path(tmp_path / "cache" / read(path)["predictions"])


def test_predictions_are_exported(path: Path, cli: Cli, tmp_path: Path) -> None:
    record, out = read(path), tmp_path / "f.csv"
    readable = f"predictions/{DATASET}/missing-10/smoke/{LABEL}/seed-0.npz"
    assert record["predictions"] == readable
    answer = cli("results", "predictions", LABEL, "--out", out)
    assert answer.code == 0 and "55 rows of 1 runs" in answer.out, answer.err
    table = pd.read_csv(out)
    assert list(table) == [*FIRST, "probability_0", "probability_1", "probability_2"]
    data = store.load(DATASET)
    for (name, part), row in zip(
        table.groupby("condition", sort=False), record["conditions"], strict=True
    ):
        assert str(name).startswith(row["scale"]) and len(part) == row["n"]
        assert (part["true"] == part["predicted"]).mean() == row["accuracy"]
        assert (data.labels[part["window"]] == part["true"]).all()
        assert (data.subjects[part["window"]] == part["subject"]).all()
        assert (data.recordings[part["window"]] == part["recording"]).all()
        assert (data.starts[part["window"]] == part["start"]).all()
        chances = part.filter(like="probability_").to_numpy()
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        nll = -np.log(chances[np.arange(len(part)), part["true"]]).mean()
        assert nll == pytest.approx(row["nll"], abs=1e-3), "float16 keeps three digits"
    assert set(table["true_name"]) <= set(data.info.classes)


def test_one_record_as_parquet(path: Path, cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "f.parquet"
    assert cli("results", "predictions", path, "--out", out).code == 0
    assert len(pd.read_parquet(out)) == 55
    assert cli("results", "predictions", path, "--out", tmp_path / "f.xlsx").code == 2


def test_labels_lie_beside_the_record_and_serve_without_the_cache(
    path: Path, cli: Cli, tmp_path: Path
) -> None:
    tables = []
    for name in ("whole.csv", "labels.csv"):
        assert cli("results", "predictions", path, "--out", tmp_path / name).code == 0
        tables.append(pd.read_csv(tmp_path / name))
        cached(path, tmp_path).unlink(missing_ok=True)
    whole, labels = tables
    pd.testing.assert_frame_equal(labels, whole[FIRST])
    (kept,) = path.parent.glob("*.npz")
    assert kept == labels_path(path) and kept.stat().st_size < 10_000
    by_person = cli("table", "--protocol", "missing-10", "--by", "subject")
    assert by_person.code == 0 and "RobustHAR, heads=2" in by_person.out, by_person.err
    before = kept.read_bytes()
    command = ("run", "--method", LABEL, "--dataset", DATASET, "--protocol", "missing-10")
    more = ("--budget", "smoke", "--seeds", "0", "--force", "--device", "cpu")
    assert cli(*command, *more).code == 0
    assert kept.read_bytes() == before, "the same labels are the same bytes"


def test_labels_that_give_another_score_are_found(path: Path, cli: Cli) -> None:
    assert cli("results", "check").code == 0
    kept = labels_path(path)
    with np.load(kept) as file:
        arrays = dict(file)
    arrays["predicted"] = (arrays["predicted"] + 1) % 3
    np.savez_compressed(kept, **arrays)
    answer = cli("results", "check")
    assert answer.code == 1 and "confusion matrix" in answer.out and kept.name in answer.out
    kept.unlink()
    assert cli("results", "check").code == 0


def test_predictions_that_are_gone_are_missed_in_words(
    path: Path, cli: Cli, tmp_path: Path
) -> None:
    labels_path(path).unlink()

    def refused() -> str:
        answer = cli("results", "predictions", path, "--out", tmp_path / "f.csv")
        assert answer.code == 2 and not (tmp_path / "f.csv").exists()
        assert f"harbench run --method {LABEL} --dataset {DATASET}" in answer.err
        assert "--protocol missing-10 --budget smoke --seeds 0 --force" in answer.err
        return answer.err

    place = cached(path, tmp_path)
    with np.load(place) as file:
        arrays = dict(file)
    for damaged in (b"", b"not a zip", place.read_bytes()[:-300]):
        place.write_bytes(damaged)
        assert "is damaged" in refused()
    lists = {"logits": np.array([{"a": 1}], dtype=object), "scored": arrays["scored"][:1]}
    for key, value in {**lists, "predicted": (arrays["predicted"] + 1) % 3}.items():
        np.savez(place, **{**arrays, key: value})
        assert "is damaged" in refused()
    np.savez(place, **{**arrays, "identity": np.array("0" * 64)})
    assert "is from another code or configuration" in refused()
    place.unlink()
    assert "is not there" in refused()
    command = refused().partition("harbench run")[2].split()
    assert cli("run", *command).code == 0
    assert cli("results", "predictions", path, "--out", tmp_path / "f.csv").code == 0


def test_a_record_names_no_file_outside_the_cache(path: Path, cli: Cli, tmp_path: Path) -> None:
    record = read(path)
    for name in ("../secret.npz", "/etc/passwd", "predictions/../../secret.npz", "stages/x.json"):
        path.write_text(json.dumps({**record, "predictions": name}))
        answer = cli("results", "predictions", path, "--out", tmp_path / "f.csv")
        assert answer.code == 2 and "predictions: " in answer.err, answer.err


def test_logits_beyond_float16_keep_their_order(path: Path, tmp_path: Path) -> None:
    """Each window's highest score is 0 and none overflows."""
    with np.load(cached(path, tmp_path)) as file:
        logits = file["logits"]
    assert logits.dtype == np.float16 and np.isfinite(logits).all()
    assert (logits.max(axis=2) == 0).all() and logits.min() >= LOWEST
