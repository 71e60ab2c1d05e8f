"""Tuning: the same trials whatever happens, chosen on validation windows, used by `--tuned`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end.commands import DATASET, Answer, Cli, read

from harbench.data import splits, store
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError
from harbench.running import tune as module
from harbench.running.tune import tune
from harbench.running.tuned import Trial, TuningRecord

SMALL = {"width": 8, "layers": 1}
PLACE = Path("tuning") / DATASET / "random-15" / "smoke" / "cnn+layers=1+width=8/seed-0.json"


def search(folder: Path, trials: int, **settings: Any) -> TuningRecord:
    given = {**SMALL, **settings}
    return tune("cnn", DATASET, trials, folder, budget_name="smoke", settings=given)[1]


def test_a_search_that_was_ended_goes_on_with_the_same_trials(tmp_path: Path) -> None:
    whole = search(tmp_path / "a", 8)
    search(tmp_path / "b", 3)
    parts = search(tmp_path / "b", 8)
    assert [t.values for t in whole.trials] == [t.values for t in parts.trials]
    assert [t.f1_macro for t in whole.trials] == [t.f1_macro for t in parts.trials]
    assert whole.trials[0].values == {"lr": 1e-3, "kernel": 5}
    assert set(whole.search.space) == {"lr", "kernel"}
    best = max(t.f1_macro or 0 for t in whole.trials)
    assert whole.best is not None and whole.trials[whole.best].f1_macro == best


def test_selection_never_sees_a_test_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = search(tmp_path / "a", 2)
    data = store.load(DATASET)
    test = splits.split(data, "random", 0.15, 0).test
    windows, labels = np.array(data.windows), data.labels.copy()
    windows[test] = 1e6
    labels[test] = 0
    whole = splits.split(data, "random", 0.15, 0)
    monkeypatch.setattr(module, "protocol_split", lambda *_: whole)
    junk = type(data)(**{**vars(data), "windows": windows, "labels": labels})
    monkeypatch.setattr(module.store, "load", lambda _: junk)
    after = search(tmp_path / "b", 2)
    assert [t.f1_macro for t in before.trials] == [t.f1_macro for t in after.trials]


def test_a_training_that_diverges_is_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_suggest", lambda number, *_: {"lr": (1e-3, 1e30)[number]})
    record = search(tmp_path, 2, kernel=5, batch=2)
    assert record.trials[1].f1_macro is None and "epoch 1" in record.trials[1].error
    assert record.best == 0


def test_no_trial_is_made_twice_while_others_are_left() -> None:
    space = {"depth": [1, 2, 3], "width": [8, 16]}
    done: list[Trial] = []
    for number in range(8):
        values = module._suggest(number, space, done, {"depth": 2, "width": 16}, 5)
        # One is far the best, so that the model would have it again.
        good = values == {"depth": 2, "width": 16}
        done.append(Trial(values=values, f1_macro=0.9 if good else 0.1, seconds=1.0, stages=[]))
    assert len({json.dumps(trial.values, sort_keys=True) for trial in done[:6]}) == 6


def test_a_file_that_cannot_be_written_is_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HarbenchError("Cannot write here.") from OSError("No space left on device")

    monkeypatch.setattr(module, "fit", full)
    with pytest.raises(HarbenchError, match="Cannot write here"):
        tune("cnn", DATASET, 2, tmp_path, budget_name="smoke")
    assert not list(tmp_path.rglob("seed-*.json"))


def test_tuned_runs_use_what_was_chosen(cli: Cli, tmp_path: Path) -> None:
    def command(*arguments: object) -> Answer:
        sizes = ("--set", "width=8", "--set", "layers=1", "--budget", "smoke")
        return cli(*arguments, "--method", "cnn", "--dataset", DATASET, *sizes)

    run = ("run", "--protocol", "clean", "--seeds", "0", "--tuned")
    absent = cli(*run, "--method", "cnn", "--dataset", DATASET, "--budget", "smoke")
    assert absent.code == 2 and "has not been tuned" in absent.err
    assert "harbench tune --method cnn" in absent.err
    assert cli("tune", "--method", "cnn", "--dataset", DATASET, "--budget", "smoke",
               "--trials", "2", "--seeds", "0").code == 0  # fmt: skip
    trained = set((cache_dir() / "stages").iterdir())
    done = cli(*run, "--method", "cnn", "--dataset", DATASET, "--budget", "smoke")
    assert done.code == 0, done.err
    # What the search has trained is not trained again.
    assert set((cache_dir() / "stages").iterdir()) == trained
    record = read(tmp_path / "results" / DATASET / "clean/smoke/cnn+tuned=2/seed-0.json")
    assert record["identity"]["tuned"] == 2
    table = read(tmp_path / "results" / PLACE.parent.with_name("cnn") / "seed-0.json")
    chosen = table["trials"][table["best"]]["values"]
    assert {key: record["identity"]["config"][key] for key in chosen} == chosen
    assert command("tune", "--trials", "1", "--seeds", "0").code == 0
    assert (tmp_path / "results" / PLACE).is_file()


def test_a_search_around_other_defaults_serves_no_run(cli: Cli, tmp_path: Path) -> None:
    """Defaults are no part of a method's code, so that its hash does not tell."""
    shared = ("--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0")
    assert cli("tune", *shared, "--trials", "1").code == 0
    (path,) = (tmp_path / "results" / "tuning").rglob("seed-0.json")
    record = read(path)
    record["search"]["config"]["width"] += 1
    path.write_text(json.dumps(record))
    answer = cli("run", *shared, "--protocol", "clean", "--tuned")
    assert answer.code == 2 and "other defaults than today's" in answer.err


def test_a_search_serves_only_what_it_searched_around(cli: Cli) -> None:
    shared = ("--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0")
    assert cli("tune", *shared, "--trials", "1").code == 0
    run = ("run", *shared, "--tuned")
    other = cli(*run, "--protocol", "clean", "--set", "augment=corruption")
    assert other.code == 2 and "has not been tuned" in other.err
    swept = cli(*run[:1], "--method", "robusthar", *run[3:], "--protocol", "balance")
    assert swept.code == 2 and "has variants, which no search was made for" in swept.err


def test_methods_are_tuned_alike_or_not_compared(cli: Cli) -> None:
    shared = ("--dataset", DATASET, "--budget", "smoke")
    for method, trials in (("cnn", 2), ("random_forest", 1)):
        assert (
            cli("tune", "--method", method, "--trials", trials, "--seeds", "0", *shared).code == 0
        )
    run = ("run", "--protocol", "clean", "--seeds", "0", "--tuned", *shared)
    answer = cli(*run, "--method", "cnn", "--method", "random_forest")
    assert answer.code == 2 and "different numbers of trials" in answer.err


def test_nothing_to_tune_is_said(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="nothing to tune"):
        search(tmp_path, 1, lr=1e-3, kernel=3)


def test_a_wrong_method_is_said_before_another_one_is_searched(cli: Cli, tmp_path: Path) -> None:
    methods = ("--method", "cnn", "--method", "cn")
    answer = cli("tune", *methods, "--trials", 1, "--dataset", DATASET, "--budget", "smoke")
    assert answer.code == 2 and "Unknown method 'cn'" in answer.err
    assert not (tmp_path / "results").exists()


def test_each_seed_has_its_own_search(cli: Cli, tmp_path: Path) -> None:
    """A search for one seed never serves another, whose test windows it may have seen."""
    shared = ("--method", "cnn", "--dataset", DATASET, "--budget", "smoke")
    assert cli("tune", "--trials", 2, "--seeds", "0", *shared).code == 0
    answer = cli("run", "--protocol", "clean", "--seeds", "0-1", "--tuned", *shared)
    assert answer.code == 2 and "--seeds 1 --trials" in answer.err
    assert cli("tune", "--trials", 2, "--seeds", "0-1", *shared).code == 0
    assert cli("run", "--protocol", "clean", "--seeds", "0-1", "--tuned", *shared).code == 0
    first = next((tmp_path / "results" / "tuning").rglob("seed-0.json"))
    shutil.copy2(first, first.with_name("seed-2.json"))
    copied = cli("run", "--protocol", "clean", "--seeds", "2", "--tuned", *shared)
    assert copied.code == 2 and "does not belong there" in " ".join(copied.err.split())


def test_another_search_in_its_place_is_kept(cli: Cli, tmp_path: Path) -> None:
    shared = ("tune", "--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0")
    assert cli(*shared, "--grid", "width=8,16").code == 0
    (place,) = (tmp_path / "results").rglob("seed-0.json")
    before = place.read_bytes()
    other = cli(*shared, "--grid", "width=8")
    assert other.code == 2 and "holds another search (its space differ)" in other.err
    assert place.read_bytes() == before
    # As a search that was killed leaves it.
    values = json.loads(before)
    place.write_text(json.dumps({**values, "wanted": 20}))
    assert cli(*shared, "--grid", "width=8,16").code == 0
    assert read(place)["wanted"] == 3


def test_a_grid_scores_what_it_lists_and_serves_no_run(cli: Cli, tmp_path: Path) -> None:
    shared = ("--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0")
    answer = cli("tune", "--grid", "width=8,16", "--grid", "layers=1", *shared)
    assert answer.code == 0, answer.err
    place = tmp_path / "results/choices" / DATASET / "random-15/smoke/cnn+width+layers/seed-0.json"
    trials = read(place)["trials"]
    given = [trial["values"] for trial in trials[1:]]
    assert given == [{"width": 8, "layers": 1}, {"width": 16, "layers": 1}]
    curve = trials[1]["stages"][0]
    assert curve["scored"] == [1] and curve["validation_f1"] == [round(trials[1]["f1_macro"], 4)]
    assert "has not been tuned" in cli("run", "--protocol", "clean", "--tuned", *shared).err
    twice = cli("tune", "--grid", "width=8", "--grid", "width=16", *shared)
    assert twice.code == 2 and "names 'width' twice" in twice.err
    wrong = cli("tune", "--grid", "widht=8", *shared)
    assert wrong.code == 2 and "width" in wrong.err


ODD_NET = """
from __future__ import annotations
from dataclasses import dataclass
from harbench.method import register_method
from harbench.methods.cnn import CNN


@register_method
class OddNet(CNN):
    name = "odd_net"

    @dataclass(frozen=True)
    class Config(CNN.Config):
        kinds: tuple[str, ...] = ("a",)

    @classmethod
    def search_space(cls):
        return {"kinds": [("a",), ("a", "b")]}

    def build(self, shape):
        if len(self.config.kinds) > 1:
            raise RuntimeError("two kinds are too many")
        return super().build(shape)
"""


def test_values_of_any_kind_and_what_cannot_be_built_are_trials(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuples come back from disk as lists; an error of a method's own costs one trial."""
    monkeypatch.chdir(tmp_path)
    Path("odd_net.py").write_text(ODD_NET)
    words = ("tune", "--method", "./odd_net.py", "--dataset", DATASET, "--budget", "smoke",
             "--seeds", "0", "--set", "width=8", "--set", "layers=1")  # fmt: skip
    assert cli(*words, "--trials", "3").code == 0
    assert cli(*words, "--trials", "4").code == 0
    (path,) = Path("results/tuning").rglob("seed-0.json")
    record = TuningRecord.model_validate_json(path.read_bytes())
    assert len(record.trials) == 4 and record.best == 0
    failed = [trial for trial in record.trials if trial.values["kinds"] == ["a", "b"]]
    assert failed and all("two kinds are too many" in trial.error for trial in failed)


def test_a_grid_in_which_one_seed_fails_is_shown(cli: Cli, tmp_path: Path) -> None:
    """What has no score for one seed has no mean."""
    words = (
        "tune",
        "--method",
        "cnn",
        "--dataset",
        DATASET,
        "--budget",
        "smoke",
        "--grid",
        "lr=1e-3,1e30",
        "--set",
        "width=8",
        "--set",
        "layers=1",
        "--seeds",
        "0-1",
    )
    answer = cli(*words, "--results", tmp_path / "r")
    assert answer.code == 0, answer.err
    assert "nan" in answer.out.splitlines()[-1]
    assert cli("results", "trials", "--results", tmp_path / "empty").code == 2


def test_searches_side_by_side_find_what_one_after_another_finds(cli: Cli, tmp_path: Path) -> None:
    words = ("tune", "--method", "cnn", "--method", "random_forest", "--dataset", DATASET,
             "--budget", "smoke", "--trials", "2", "--seeds", "0-1")  # fmt: skip
    found = []
    for folder, more in (("one", ()), ("two", ("--jobs", "3"))):
        answer = cli(*words, *more, "--results", tmp_path / folder)
        assert answer.code == 0, answer.err
        assert "random_forest · seed 1 · [2/2] validation F1" in answer.out
        assert answer.out.count("best of 2:") == 4
        trials = {}
        for path in sorted((tmp_path / folder).rglob("seed-?.json")):
            record = TuningRecord.model_validate_json(path.read_bytes())
            name = str(path.relative_to(tmp_path / folder))
            trials[name] = [(each.values, each.f1_macro) for each in record.trials]
        found.append(trials)
    assert found[0] == found[1] and len(found[0]) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import os; os._exit(3)", "died (exit code 3; out of memory?)"),
        ("raise RuntimeError('no')", "odd_net.py · seed 1 · no trial succeeded"),
    ],
)
def test_a_search_side_by_side_that_dies_or_finds_nothing_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd_net.py").write_text(
        f"{ODD_NET}\n    def logits(self, network, batch):\n        {line}\n"
    )
    words = ("tune", "--method", "./odd_net.py", "--dataset", DATASET, "--budget", "smoke")
    answer = cli(*words, "--seeds", "0-1", "--trials", "1", "--jobs", "2")
    assert answer.code in (1, 2) and message in answer.out + answer.err
