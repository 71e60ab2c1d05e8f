"""Foreign code may raise, exit or hang: it costs its own runs, and the rest of the grid is run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

import harbench
from harbench.errors import HarbenchError

METHOD = '''
import os, sys, time
from dataclasses import dataclass
import torch
from torch import nn
from harbench.method import FitStage, Method, register_method
{imported}

@dataclass(frozen=True)
class Config:
    note: str = ""

class Silent(Exception):
    def __str__(self):
        raise ValueError("no words")

@register_method
class Mine(Method):
    """A method that knows nothing."""
    name, kind, reference, Config = "{name}", "supervised", "none", Config
    def build(self, shape):
        {built}
        return nn.Linear(1, shape.classes)
    def stages(self, budget):
        return [FitStage("fit", self._fit)]
    def _fit(self, network, batch):
        {fitted}
    def logits(self, network, batch):
        return network(batch.x[:, 0, 0, :1])
    @classmethod
    def test_config(cls):
        return Config()
'''


def method(
    folder: Path, name: str, imported: str = "", built: str = "pass", fitted: str = "pass"
) -> str:
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(name=name, imported=imported, built=built, fitted=fitted))
    return str(path)


def grid(cli: Cli, *files: str, more: tuple[str, ...] = ()) -> tuple[int, str]:
    methods = [part for file in files for part in ("--method", file)]
    base = ("--dataset", DATASET, "--protocol", "clean", "--budget", "smoke", "--seeds", "0")
    answer = cli("run", *methods, *base, *more)
    assert "Traceback" not in answer.out + answer.err
    return answer.code, answer.out + answer.err


def outcomes(results: Path) -> dict[str, str]:
    """The method's label -> what its run has left."""
    paths = (results / DATASET / "clean" / "smoke").glob("*/*.json")
    return {path.parent.name: path.name for path in paths}


def test_what_foreign_code_does_is_a_failure_of_its_own_runs(cli: Cli, tmp_path: Path) -> None:
    files = {
        "exits_import": {"imported": "sys.exit(0)"},
        "dies_import": {"imported": "os._exit(0)"},
        "raises_import": {"imported": "1 / 0"},
        "wrong": {"imported": "def f(:"},
        "exits_build": {"built": "sys.exit(0)"},
        "dies_build": {"built": "os._exit(3)"},
        "raises_build": {"built": "1 / 0"},
        "silent_build": {"built": "raise Silent"},
        "exits_fit": {"fitted": "sys.exit(0)"},
        "dies_fit": {"fitted": "os._exit(0)"},
    }
    paths = [method(tmp_path, name, **code) for name, code in files.items()]
    code, said = grid(cli, *paths, method(tmp_path, "fine"))
    assert code == 1 and "10 of 11 runs failed" in said
    wanted = {**dict.fromkeys(files, "seed-0.failed.json"), "fine": "seed-0.json"}
    assert outcomes(tmp_path / "results") == wanted
    failed = {
        name: read(tmp_path / "results" / DATASET / "clean/smoke" / name / "seed-0.failed.json")
        for name in files
    }
    assert "ends the process (exit code 3)" in failed["dies_build"]["error"]
    assert "line 7: cannot be imported: ZeroDivisionError" in failed["raises_import"]["error"]
    assert "cannot be built: Silent" in failed["silent_build"]["error"]
    assert "SystemExit: 0" in failed["exits_fit"]["error"]
    assert "1 / 0" in failed["raises_build"]["traceback"]
    assert all(each["identity"]["method"] == name for name, each in failed.items())
    # Mended, the failure goes.
    method(tmp_path, "raises_build")
    assert grid(cli, str(tmp_path / "raises_build.py"))[0] == 0
    assert outcomes(tmp_path / "results")["raises_build"] == "seed-0.json"


@pytest.mark.parametrize(
    "command",
    [
        ("tune", "--method", "{file}", "--trials", "1", "--budget", "smoke"),
        ("tune", "--method", "{file}", "--grid", "note=a", "--budget", "smoke"),
        ("cost", "{file}"),
        ("probe", "sensors", "{file}", "--budget", "smoke", "--seeds", "0"),
    ],
    ids=["tune", "grid", "cost", "probe"],
)
def test_code_that_ends_the_process_ends_no_command(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = method(tmp_path, "mine", imported="os._exit(0)")
    answer = cli(*(part.format(file=file) for part in command), "--dataset", DATASET)
    assert answer.code == 2 and "its code ends the process (exit code 0)" in answer.err


def test_a_tuned_grid_survives_code_that_ends_the_process(cli: Cli, tmp_path: Path) -> None:
    searched = ("--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--protocol", "clean")
    assert cli("tune", *searched, "--trials", "1", "--seeds", "0").code == 0
    file = method(tmp_path, "mine", imported="os._exit(0)")
    code, said = grid(cli, "cnn", file, more=("--tuned",))
    assert code == 1 and "1 of 2 runs failed" in said
    assert set(outcomes(tmp_path / "results").values()) == {"seed-0.json", "seed-0.failed.json"}


def test_what_hangs_is_ended(cli: Cli, tmp_path: Path) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    fits = method(tmp_path, "fits", imported="import signal", fitted=stubborn)
    imports = method(tmp_path, "imports", imported="time.sleep(600)")
    code, said = grid(
        cli, fits, imports, method(tmp_path, "fine"), more=("--time-limit", "10", "--jobs", "2")
    )
    assert code == 1 and "Ended after 10 seconds: --time-limit" in said
    assert "takes longer than 10 seconds" in said
    assert outcomes(tmp_path / "results") == {
        "fits": "seed-0.failed.json",
        "imports": "seed-0.failed.json",
        "fine": "seed-0.json",
    }


def test_python_is_told_of_foreign_code_that_fails(tmp_path: Path) -> None:
    path = method(tmp_path, "mine", built="sys.exit(0)")
    with pytest.raises(HarbenchError, match="1 of 1 runs failed"):
        harbench.run(path, "clean", DATASET, seeds=[0], budget="smoke")


def test_a_file_takes_no_other_name(cli: Cli, tmp_path: Path) -> None:
    thief = "\nregister_method(type('Thief', (Mine,), {'name': 'cnn'}))\n"
    path = Path(method(tmp_path, "mine"))
    path.write_text(path.read_text() + thief)
    code, _ = grid(cli, str(path), "cnn")
    assert code == 0
    record = read(tmp_path / "results" / DATASET / "clean/smoke/cnn/seed-0.json")
    assert record["cost"]["parameters"] > 100
    frame = harbench.run(
        [str(path), "cnn"], "clean", DATASET, seeds=[0], budget="smoke", results=tmp_path / "other"
    )
    assert frame.groupby("method")["parameters"].first()["cnn"] == record["cost"]["parameters"]


def test_text_options_stay_inside_the_results_folder(cli: Cli, tmp_path: Path) -> None:
    path = method(tmp_path, "mine")
    for note in ("../../../x", "a/b", "a+b", "a%2Fb", "größe\n", "/etc"):
        assert grid(cli, path, more=("--set", f"note={note}"))[0] == 0
    place = tmp_path / "results" / DATASET / "clean" / "smoke"
    found = {str(p.relative_to(place)) for p in (tmp_path / "results").rglob("seed-0.json")}
    assert len(found) == 6 and "mine+note=..%2F..%2F..%2Fx/seed-0.json" in found
    assert "mine+note=a%2Bb/seed-0.json" in found and "mine+note=a%252Fb/seed-0.json" in found
    assert cli("results").code == 0
    again = grid(cli, f"{path}+note=..%2F..%2F..%2Fx")
    assert "1 of 1 runs are already there" in again[1]
    code, said = grid(cli, path, more=("--set", f"note={'x' * 300}"))
    assert code == 2 and "at most 200" in said


def test_a_signal_during_start_up_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from harbench.running import plan

    for number in (signal.SIGINT, signal.SIGTERM):
        monkeypatch.setattr(plan, "make_plan", lambda *_, n=number, **__: signal.raise_signal(n))
        answer = cli("run", "--method", "cnn", "--protocol", "clean")
        assert answer.code == 128 + number
        assert answer.err == "harbench: interrupted; the same command goes on from here.\n"
