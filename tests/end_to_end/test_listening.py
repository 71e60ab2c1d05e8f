"""Callbacks and logs hear of every epoch and change nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

import harbench
from harbench.running.plan import Run
from harbench.training.fit import Progress

TINY = {"width": 8, "heads": 2}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_callback_hears_every_epoch_here(tmp_path: Path, jobs: int) -> None:
    heard: list[tuple[str, int, str, int]] = []

    def listen(run: Run, progress: Progress) -> None:
        assert progress.loss > 0 and (progress.score is None) == (progress.stage == "pretrain")
        heard.append((run.label, run.seed, progress.stage, progress.epoch))

    harbench.run(
        "robusthar", "clean", DATASET, seeds=[0, 1], budget="smoke", jobs=jobs, on_epoch=listen,
        **TINY,
    )  # fmt: skip
    for seed in (0, 1):
        stages = [(stage, epoch) for _, number, stage, epoch in heard if number == seed]
        assert stages == [("pretrain", 1), ("finetune", 1)]


def test_a_callback_that_raises_costs_no_run(tmp_path: Path) -> None:
    calls = []

    def broken(run: Run, progress: Progress) -> None:
        calls.append(progress.epoch)
        raise KeyError("mine")

    with pytest.warns(RuntimeWarning, match="told nothing more.*KeyError") as said:
        frame = harbench.run(
            "robusthar", "clean", DATASET, seeds=[0, 1], budget="smoke", on_epoch=broken, **TINY
        )
    assert len(calls) == 1 and len(said) == 1
    assert frame["seed"].tolist() == [0, 1]


def test_tensorboard_holds_what_the_stages_reported(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs harbench[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = ("run", "--method", "cnn", "--set", "width=8", "--dataset", DATASET, "--seeds", "0")
    rules = ("--protocol", "clean", "--budget", "smoke", "--jobs", "1")
    assert cli(*run, *rules, "--log", f"tensorboard={tmp_path / 'logs'}").code == 0
    (file,) = (tmp_path / "logs").rglob("events.*")
    place = tmp_path / "logs" / DATASET / "clean" / "smoke" / "cnn+width=8" / "seed-0"
    assert file.parent == place
    events = EventAccumulator(str(place)).Reload()
    assert sorted(events.Tags()["scalars"]) == ["supervised/loss", "supervised/validation_f1"]
    (loss,) = events.Scalars("supervised/loss")
    assert loss.step == 1 and loss.value > 0
    record = tmp_path / "results" / DATASET / "clean" / "smoke" / "cnn+width=8" / "seed-0.json"
    before = read(record)["conditions"]
    assert cli(*run, *rules, "--force").code == 0
    assert read(record)["conditions"] == before


def test_a_log_that_cannot_be_is_refused_before_any_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("run", "--method", "cnn", "--dataset", DATASET, "--protocol", "clean", "--seeds", "0")
    answer = cli(*run, "--log", "wandb")
    assert answer.code == 2 and "write tensorboard, or tensorboard=FOLDER" in answer.err
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    answer = cli(*run, "--log", "tensorboard")
    assert answer.code == 2 and "pip install 'harbench[tensorboard]'" in answer.err
    assert not list((tmp_path / "results").rglob("*.json"))
