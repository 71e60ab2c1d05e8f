"""From a record to a model that classifies a person's own recording."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import DATASET, Cli, folder, read

import harbench
from harbench.data import store
from harbench.dataset import Recording
from harbench.errors import HarbenchError
from harbench.running.predictions import exported
from harbench.running.reading import read_record


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results of four small runs, and the cache that has their networks."""
    results, cache = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("cache")
    methods = ["cnn", "random_forest", "cnn+impute=linear+indicator=true", "cnn+impute=knn"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARBENCH_CACHE", str(cache))
        harbench.run(methods, "clean", DATASET, budget="smoke", seeds=[0], results=results)
    return results, cache


@pytest.fixture
def trained(runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results folder of `runs`, with its cache in use."""
    monkeypatch.setenv("HARBENCH_CACHE", str(runs[1]))
    return runs[0]


def record(results: Path, label: str) -> Path:
    return folder(results, "clean", label) / "seed-0.json"


@pytest.mark.parametrize("label", ["cnn", "random_forest", "cnn+impute=linear+indicator=true"])
def test_a_model_answers_as_its_run_did(
    cli: Cli, trained: Path, tmp_path: Path, label: str
) -> None:
    path = record(trained, label)
    answer = cli("model", "export", path, "--out", tmp_path / "model")
    assert answer.code == 0, answer.err
    model = harbench.load(tmp_path / "model")
    kept = exported(path, read_record(path))
    windows = np.array(store.load(DATASET).windows)[kept["window"]]
    found = model.predict_proba(windows)
    assert np.allclose(
        found, kept[[f"probability_{k}" for k in range(len(model.classes))]], atol=2e-3
    )
    assert (model.predict(windows) == kept["predicted_name"]).mean() > 0.99
    windows[:, :20, 0] = np.nan
    assert np.isfinite(model.predict_proba(windows)).all()


def test_a_recording_is_classified_window_by_window(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    assert cli("model", "export", record(trained, "cnn"), "--out", tmp_path / "m").code == 0
    model = harbench.load(tmp_path / "m")
    info = model.info
    names = [f"{s.name}.{c}" for s in info.sensors for c in info.channels]
    time = 100 + np.arange(700) / 70
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(700, len(names))), columns=names)
    table.insert(0, "time", time)
    # The last sensor was not worn.
    table.iloc[:, : -len(info.channels)].to_csv(tmp_path / "day.csv", index=False)
    day, out = tmp_path / "day.csv", tmp_path / "o.csv"
    assert "would be lost" in cli("model", "predict", tmp_path / "m", day, "--out", day).err
    done = cli("model", "predict", tmp_path / "m", day, "--out", out)
    assert done.code == 0, done.err
    found = pd.read_csv(out)
    assert found["begin"].iloc[0] == 100 and set(found["label"]) <= set(info.classes)
    assert np.allclose(found["end"] - found["begin"], model.card.window / info.rate, atol=2e-3)
    assert np.allclose(found[list(info.classes)].sum(axis=1), 1, atol=1e-3)
    assert "label" in cli("model", "predict", tmp_path / "m", tmp_path / "day.csv").out
    for content, words in [
        ("time,hat.acc_x\n0,1\n", "hat.acc_x"),
        ("t,a\n0,1\n", "no column `time`"),
        ("time\n0\n", "no signal"),
        (f"time,{names[0]}\n0,\n1,\n", "has no value"),
        (f"time,{names[0]}\n0,1\n0,2\n", "line 3: time is missing or does not increase"),
        (f"time,{names[0]}\n0,1\n1,2\n", "as long as a window"),
    ]:
        (tmp_path / "bad.csv").write_text(content)
        bad = cli("model", "predict", tmp_path / "m", tmp_path / "bad.csv")
        assert bad.code == 2 and words in bad.err and "Traceback" not in bad.err
    # A person's class may be called as a column is; seconds may be those of Unix.
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    card["info"]["classes"][:2] = ["label", "end"]
    (tmp_path / "m" / "model.json").write_text(json.dumps(card))
    table.assign(time=time + 1.6e9).to_csv(day, index=False)
    shown = cli("model", "predict", tmp_path / "m", day)
    assert shown.code == 0 and "1600000100.000" in shown.out
    assert cli("model", "predict", tmp_path / "m", day, "--out", out).code == 0
    assert list(pd.read_csv(out, nrows=0))[:4] == ["begin", "end", "label", "label.1"]


@pytest.mark.parametrize(
    ("source", "out", "words"),
    [("results", "m", "a folder in place of a record"), ("nowhere", "m", "nowhere: is not there"),
     ("", "file", "is there and not empty"), ("", "file/m", "Cannot write")],
)  # fmt: skip
def test_what_cannot_be_exported_is_said_at_once(
    cli: Cli, trained: Path, tmp_path: Path, source: str, out: str, words: str
) -> None:
    (tmp_path / "results").mkdir(exist_ok=True)
    (tmp_path / "file").write_text("mine")
    what = tmp_path / source if source else record(trained, "cnn")
    answer = cli("model", "export", what, "--out", tmp_path / out)
    assert answer.code == 2 and words in answer.err and "Remove" not in answer.err
    assert "Traceback" not in answer.err and (tmp_path / "file").read_text() == "mine"


def test_files_of_devices_are_classified_as_training_took_them(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    """On clocks that agree the files say what one table says; a join is noticed."""
    assert cli("model", "export", record(trained, "cnn"), "--out", tmp_path / "m").code == 0
    info = harbench.load(tmp_path / "m").info
    time, draws = np.arange(1000) / info.rate, np.random.default_rng(0)
    whole, parts, joined = pd.DataFrame({"time": time}), [], []
    for place, sensor in enumerate(info.sensors):
        values = pd.DataFrame(draws.normal(size=(1000, len(info.channels))), columns=info.channels)
        values.insert(0, "time", time)
        parts.append(tmp_path / f"day.{sensor.name}.csv")
        values.to_csv(parts[-1], index=False)
        named = values.rename(columns={c: f"{sensor.name}.{c}" for c in info.channels})
        whole = whole.merge(named, on="time")
        joined.append(named.assign(time=time + place / 1e3))
    whole.to_csv(tmp_path / "day.csv", index=False)
    pd.concat(joined).sort_values("time").to_csv(tmp_path / "joined.csv", index=False)
    answers = {}
    for name, files in {"whole": ["day.csv"], "parts": parts, "joined": ["joined.csv"]}.items():
        given = [tmp_path / file for file in files]
        done = cli("model", "predict", tmp_path / "m", *given, "--out", tmp_path / f"{name}.out")
        assert done.code == 0, done.err
        assert ("hardly any row holds two sensors" in done.err) == (name == "joined")
        answers[name] = pd.read_csv(tmp_path / f"{name}.out")
    pd.testing.assert_frame_equal(answers["parts"], answers["whole"], atol=2e-3)
    for wrong in ([parts[0], tmp_path / "day.csv"], [parts[0], parts[0]]):
        refused = cli("model", "predict", tmp_path / "m", *wrong)
        assert refused.code == 2 and "are not the devices of one recording" in refused.err


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_short_gaps_are_closed_as_in_training(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gap: float
) -> None:
    assert cli("model", "export", record(trained, "cnn"), "--out", tmp_path / "m").code == 0
    card = tmp_path / "m" / "model.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "fill_gap": gap}))
    model = harbench.load(tmp_path / "m")
    time = np.arange(600) / model.info.rate
    values = np.repeat(time.astype(np.float32), len(model.info.sensors) * len(model.info.channels))
    values = values.reshape(600, len(model.info.sensors), len(model.info.channels))
    values[100:500:7, 0, 0] = np.nan
    seen = []
    monkeypatch.setattr(type(model), "predict_proba", lambda _, windows: seen.append(windows))
    labels = np.zeros(600, dtype=np.int64)
    model.predict_recording(Recording("day", "me", time, values, labels))
    assert np.isnan(seen[0]).any() == (gap == 0)
    if gap:
        np.testing.assert_allclose(seen[0][:, :, 0, 0], seen[0][:, :, 0, 1], atol=1e-4)


def test_what_cannot_be_taken_along_is_said(cli: Cli, trained: Path, tmp_path: Path) -> None:
    knn = cli("model", "export", record(trained, "cnn+impute=knn"), "--out", tmp_path / "k")
    assert knn.code == 2 and "impute=knn" in knn.err and not (tmp_path / "k").exists()
    changed = read(record(trained, "cnn"))
    changed["identity"]["fingerprint"] = "0" * 64
    other = tmp_path / "cnn" / "seed-0.json"
    other.parent.mkdir()
    other.write_text(json.dumps(changed))
    answer = cli("model", "export", other, "--out", tmp_path / "o")
    assert answer.code == 2 and "the data has changed" in answer.err
    full = cli("model", "export", record(trained, "cnn"), "--out", tmp_path)
    assert full.code == 2 and "not empty" in full.err


def test_damaged_models_are_refused(cli: Cli, trained: Path, tmp_path: Path) -> None:
    place = tmp_path / "m"
    assert cli("model", "export", record(trained, "cnn"), "--out", place).code == 0
    card = json.loads((place / "model.json").read_text())
    for change, words in [
        ({"code": "0" * 64}, "other code"),
        ({"window": 1}, "window"),
        ({"info": {}}, "info"),
        ({"impute": "knn"}, "needs the training windows"),
        ({"method": "nobody"}, "nobody"),
        ({"config": {"width": 4}}, "does not fit its card"),
    ]:
        (place / "model.json").write_text(json.dumps({**card, **change}))
        with pytest.raises(HarbenchError, match=words):
            harbench.load(place)
    # What a file names is not run.
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (place / "model.json").write_text(json.dumps({**card, "method": str(evil)}))
    with pytest.raises(HarbenchError, match="is not run because a file says so"):
        harbench.load(place)
    forged = tmp_path / "seed-0.json"
    said = json.loads(record(trained, "cnn").read_text())
    said["identity"]["method"] = str(evil)
    forged.write_text(json.dumps(said))
    assert "not run because a file says so" in cli("results", "rerun", forged).err
    assert not (tmp_path / "ran").exists()
    (place / "model.json").write_text(json.dumps(card))
    whole = (place / "model.safetensors").read_bytes()
    (place / "model.safetensors").write_bytes(whole[:-8])
    with pytest.raises(HarbenchError, match="absent or damaged"):
        harbench.load(place)
    with pytest.raises(HarbenchError, match="holds no model"):
        harbench.load(tmp_path / "nowhere")


def test_a_graph_gives_the_same_scores_or_the_method_says_no(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    import onnxruntime

    path, place = record(trained, "cnn"), tmp_path / "m"
    done = cli("model", "export", path, "--out", place, "--format", "onnx")
    assert done.code == 0, done.err
    model = harbench.load(place)
    session = onnxruntime.InferenceSession(place / "model.onnx")
    windows = np.array(store.load(DATASET).windows[:5])
    windows[2:, :30, 1] = np.nan
    logits = session.run(None, {"windows": windows})[0]
    assert (np.array(model.classes)[logits.argmax(axis=1)] == model.predict(windows)).all()
    forest = record(trained, "random_forest")
    refused = cli("model", "export", forest, "--out", tmp_path / "f", "--format", "onnx")
    assert refused.code == 2 and "cannot be written as ONNX" in refused.err
    assert (tmp_path / "f" / "model.safetensors").is_file()
