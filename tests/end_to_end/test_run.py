"""`harbench run`: records, caching, reproducibility, plans."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import DATASET, LABEL, TINY, Cli, folder, metrics, read

import harbench
from harbench.running.records import Record

CONDITIONS = ["clean", "mixed", "segment", "channel", "sensor"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_a_run_leaves_a_complete_record_and_a_table(run: Cli, results: Path) -> None:
    answer = run("missing-10", "--seeds", "0,1")
    assert answer.code == 0, answer.err
    words = " ".join(answer.out.split())
    assert "missing-10 · budget smoke" in words and "mixed 10 %" in words
    record = read(folder(results, "missing-10") / "seed-1.json")
    Record.model_validate_json(json.dumps(record))
    assert [c["scale"] for c in record["conditions"]] == CONDITIONS
    assert all(c["n"] == record["split"]["test"] == 11 for c in record["conditions"])
    assert record["split"]["labelled"] == round(0.15 * record["split"]["train"])
    assert record["split"]["leakage"] == 0
    assert record["identity"]["config"]["width"] == 8
    assert [s["name"] for s in record["cost"]["stages"]] == ["pretrain", "finetune"]
    assert record["provenance"]["command"].startswith("harbench run --method robusthar")
    assert set(record["provenance"]["packages"]) >= {"torch", "numpy", "scikit-learn"}
    assert (results.parent / "cache" / record["predictions"]).is_file()
    assert not list(results.rglob(".*")), "no temporary file is left"


def test_natural_scores_windows_with_gaps_apart(cli: Cli, results: Path) -> None:
    own = "bodysim+activities=3+missing=0.05+seconds=24.0+sensors=3+subjects=3"
    arguments = ("run", "--method", "cnn", "--protocol", "natural", "--budget", "smoke")
    answer = cli(*arguments, "--seeds", "0", "--dataset", own)
    assert answer.code == 0, answer.err
    (path,) = results.rglob("seed-0.json")
    scores = {c["scale"]: c for c in read(path)["conditions"]}
    assert list(scores) == ["clean", "complete", "gaps"]
    assert scores["complete"]["n"] + scores["gaps"]["n"] == scores["clean"]["n"] == 11
    parts = [np.array(scores[name]["confusion"]) for name in ("complete", "gaps", "clean")]
    assert (parts[0] + parts[1] == parts[2]).all()
    refused = cli(*arguments, "--seeds", "0", "--dataset", DATASET)
    assert refused.code == 2
    assert "none of the 11 test windows has missing values of its own" in refused.err
    table = cli("table", "--protocol", "natural", "--format", "csv")
    assert "gaps" in table.out


def test_finished_runs_are_not_repeated(run: Cli, results: Path) -> None:
    run("clean", "--seeds", "0")
    path = folder(results, "clean") / "seed-0.json"
    before = path.read_bytes()
    answer = run("clean", "--seeds", "0-1")
    assert "1 of 2 runs are already there" in answer.out
    assert path.read_bytes() == before
    run("clean", "--seeds", "0", "--force")
    again = read(path)
    assert path.read_bytes() != before
    assert again["conditions"] == json.loads(before)["conditions"]
    assert not any(stage["cached"] for stage in again["cost"]["stages"])


def test_one_training_serves_every_condition(run: Cli, results: Path) -> None:
    run("clean", "--protocol", "missing-5", "--protocol", "missing-15", "--seeds", "0")
    trained = [
        sum(not s["cached"] for s in read(path)["cost"]["stages"])
        for path in results.rglob("seed-0.json")
    ]
    assert sorted(trained) == [0, 0, 2]


def test_the_grid_may_be_run_in_any_way(run: Cli, results: Path, tmp_path: Path) -> None:
    """One call, one call per seed, one or two jobs, or Python: the same bytes."""
    run("missing-10", "--seeds", "0-2", "--jobs", "2")
    expected = metrics(results, "missing-10")
    assert len(expected) == 3 and len(set(expected.values())) == 3
    other = tmp_path / "other"
    os.environ["HARBENCH_CACHE"] = str(tmp_path / "other-cache")
    for seed in (2, 0):
        run("missing-10", "--seeds", seed, "--jobs", "1", "--results", other)
    frame = harbench.run(
        "robusthar",
        "missing-10",
        DATASET,
        seeds=[1],
        budget="smoke",
        results=other,
        width=8,
        heads=2,
    )
    assert metrics(other, "missing-10") == expected
    assert frame["seed"].tolist() == [1] * 5 and frame["scale"].tolist() == CONDITIONS


def test_training_on_missing_data_is_a_training_of_its_own(run: Cli, results: Path) -> None:
    run("missing-10", "--protocol", "missing-10-train", "--seeds", "0")
    records = [read(path) for path in results.rglob("seed-0.json")]
    assert all(not s["cached"] for r in records for s in r["cost"]["stages"])


@pytest.mark.parametrize(
    ("protocol", "arguments"),
    [
        ("full-labels", ("--seeds", "0")),
        ("subject", ("--seeds", "0")),
        ("loso", ()),
        ("recording", ("--seeds", "0")),
    ],
)
def test_every_split_runs(
    run: Cli, results: Path, protocol: str, arguments: tuple[str, ...]
) -> None:
    answer = run(protocol, *arguments)
    assert answer.code == 0, answer.err
    paths = sorted(results.rglob("seed-*.json"))
    assert len(paths) == (3 if protocol == "loso" else 1)
    for path in paths:
        facts = read(path)["split"]
        assert facts["leakage"] == 0
        assert (facts["labelled"] == facts["train"]) == (protocol == "full-labels")


def test_a_sweep_runs_its_variants(cli: Cli, results: Path) -> None:
    answer = cli(
        *("run", "--method", "robusthar", "--dataset", DATASET, "--budget", "smoke"),
        *("--protocol", "ablation", "--seeds", "0", *TINY),
    )
    assert answer.code == 0, answer.err
    labels = {path.parent.name for path in results.rglob("seed-0.json")}
    assert len(labels) == 12 and LABEL in labels
    assert "robusthar+fusion=concat+heads=2+mstm=false+width=8" in labels
    for name in ("full", "w/o MSTM", "shared encoder"):
        assert name in answer.out
    table = cli("table", "--protocol", "ablation")
    assert table.code == 0 and "full (control)" in table.out, table.err


def test_dry_run_shows_the_plan_and_runs_nothing(run: Cli, results: Path) -> None:
    first = run("clean", "--protocol", "missing-5", "--seeds", "0", "--dry-run")
    assert "pretrain: train, finetune: train" in first.out
    assert "pretrain: shared, finetune: shared" in first.out
    assert "2 runs" in first.out and not results.exists()
    run("clean", "--seeds", "0")
    second = run("clean", "--protocol", "missing-5", "--seeds", "0", "--dry-run")
    assert "record is there" in second.out
    assert "pretrain: cached, finetune: cached" in second.out


def test_another_precision_has_results_of_its_own(run: Cli, results: Path) -> None:
    assert run("clean", "--seeds", "0", "--precision", "bf16").code == 0
    (path,) = results.rglob("seed-0.json")
    assert path.parent.name == f"{LABEL}+precision=bf16"
    assert run("clean", "--seeds", "0").code == 0
    assert len(list(results.rglob("seed-0.json"))) == 2


def test_a_protocol_of_one_s_own(run: Cli, results: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('description = "mine"\nscales = ["sensor"]\nrates = [0.3, 0.5]\n')
    assert run(str(mine), "--seeds", "0").code == 0
    rates = [c["rate"] for c in read(folder(results, "mine") / "seed-0.json")["conditions"]]
    assert rates == [0.0, 0.3, 0.5]


def test_a_killed_call_continues_and_ends_with_the_same_bits(
    run: Cli, results: Path, tmp_path: Path
) -> None:
    protocol = tmp_path / "long.toml"
    protocol.write_text('description = "long"\n')
    arguments = [
        *(sys.executable, "-m", "harbench", "run", "--method", "cnn", "--budget", "quick"),
        *("--protocol", str(protocol), "--dataset", DATASET, "--seeds", "0"),
        *("--set", "width=8", "--set", "layers=1"),
    ]
    stages = tmp_path / "cache" / "stages"
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(stages.glob("*.partial.safetensors")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, 9)
    process.wait()
    assert not list(results.rglob("seed-0.json"))
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    (path,) = results.rglob("seed-0.json")
    resumed = read(path)
    os.environ["HARBENCH_CACHE"] = str(tmp_path / "fresh")
    subprocess.run([*arguments, "--force"], check=True, stdout=subprocess.DEVNULL)
    assert read(path)["conditions"] == resumed["conditions"]


def test_python_leaves_the_caller_s_threads_alone(results: Path) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    harbench.run("robusthar", "clean", DATASET, seeds=[0], budget="smoke", width=8, heads=2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_python_returns_a_frame_and_uses_records(results: Path) -> None:
    def call() -> pd.DataFrame:
        return harbench.run(
            "robusthar", ["clean"], [DATASET], seeds=[0], budget="smoke", width=8, heads=2
        )

    first = call()
    assert first[["dataset", "method", "n"]].to_numpy().tolist() == [[DATASET, LABEL, 11]]
    pd.testing.assert_frame_equal(first, call())


def test_one_watch_can_use_every_protocol(cli: Cli, tmp_path: Path) -> None:
    """What it cannot lose is left out, said once, and not in the record's rules."""
    dataset = DATASET.replace("sensors=3", "sensors=1")
    run = ("run", "--method", "cnn", "--set", "width=8", "--budget", "smoke", "--seeds", "0")
    answer = cli(*run, "--dataset", dataset, "--protocol", "missing-10")
    assert answer.code == 0, answer.err
    assert answer.err.count("goes without losses of a whole sensor") == 1
    (path,) = (tmp_path / "results" / dataset / "missing-10").rglob("seed-0.json")
    record = read(path)
    scales = [row["scale"] for row in record["conditions"]]
    assert scales == ["clean", "mixed", "segment", "channel"]
    assert record["identity"]["rules"]["scales"] == ["mixed", "segment", "channel"]
