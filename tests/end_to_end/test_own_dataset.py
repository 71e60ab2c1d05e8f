"""A dataset of one's own: a new file, by its path or in datasets/."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import Cli, read

from harbench import registry
from harbench.errors import HarbenchError

SMOKE = ("--method", "cnn", "--set", "width=8", "--budget", "smoke", "--seeds", "0")
SIGNALS = [f"{s}_acc_{a}" for s in ("wrist", "hip") for a in "xyz"]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zip of three subjects' recordings as the skeleton reads them; the folder is the current."""
    monkeypatch.chdir(tmp_path)
    draws = np.random.default_rng(0)
    with ZipFile(tmp_path / "raw.zip", "w") as archive:
        for subject in ("anna", "ben", "cleo"):
            for level, activity in enumerate(("walking", "sitting")):
                table = pd.DataFrame(draws.normal(level, 1, (900, 6)), columns=SIGNALS)
                table.loc[300:400, "hip_acc_x"] = np.nan
                archive.writestr(f"x/{subject}/{activity}.csv", table.to_csv(index=False))
    return tmp_path / "raw.zip"


def test_from_nothing_to_a_row(cli: Cli, raw: Path) -> None:
    made = cli("new", "dataset", "my_data", "--here")
    assert made.code == 0 and "harbench data prepare ./my_data.py --from" in made.out
    prepared = cli("data", "prepare", "./my_data.py", "--from", raw)
    assert prepared.code == 0 and "my-data: 78 windows of (128, 2, 3)" in prepared.out
    shown = cli("data", "info", "./my_data.py")
    assert "MyData recordings" in shown.out and "hip acc_x" in " ".join(shown.out.split())
    done = cli("run", "--dataset", "./my_data.py", *SMOKE, "--protocol", "clean", "--jobs", "2")
    assert done.code == 0, done.err
    record = read(raw.parent / "results/my-data/clean/smoke/cnn+width=8/seed-0.json")
    assert record["identity"]["dataset"] == "my-data"
    again = cli("run", "--dataset", raw.parent / "my_data.py", *SMOKE, "--protocol", "clean")
    assert "1 of 1 runs are already there" in again.out
    path = "results/my-data/clean/smoke/cnn+width=8/seed-0.json"
    assert "Unknown dataset 'my-data'" in cli("results", "rerun", path).err
    assert cli("results", "rerun", path, "--dataset", "./my_data.py").code == 0
    assert cli("model", "export", path, "--dataset", "./my_data.py", "--out", "m").code == 0


def test_options_go_behind_the_path(cli: Cli, raw: Path) -> None:
    cli("new", "dataset", "my_data", "--here")
    prepared = cli("data", "prepare", "./my_data.py+step=128", "--from", raw)
    assert "my-data+step=128: 42 windows" in prepared.out
    dry = cli(
        "run", "--dataset", "./my_data.py+step=128", *SMOKE, "--protocol", "clean", "--dry-run"
    )
    assert dry.code == 0 and "my-data+step=128" in dry.out


def test_files_are_not_passed_over(cli: Cli, raw: Path) -> None:
    cli("new", "dataset", "my_data", "--here")
    table = pd.DataFrame(np.zeros((900, 6)), columns=SIGNALS).to_csv(index=False)
    with ZipFile(raw, "a") as archive:
        archive.writestr("x/s-04/walking.csv", table)
    shown = cli("data", "prepare", "./my_data.py", "--from", raw)
    assert "my-data: 91 windows" in shown.out
    with ZipFile(raw, "a") as archive:
        archive.writestr("x/s-04/Walking.csv", table)
    refused = cli("data", "prepare", "./my_data.py", "--from", raw)
    assert refused.code == 2 and "s-04/Walking.csv: Unknown class 'Walking'" in refused.err


def test_a_mistake_in_its_code_is_named_by_its_line(cli: Cli, raw: Path) -> None:
    cli("new", "dataset", "my_data", "--here")
    file = raw.parent / "my_data.py"
    text = file.read_text().replace(
        "            found: dict", "            1 / 0\n            found: dict"
    )
    file.write_text(text)
    line = text.splitlines().index("            1 / 0") + 1
    shown = cli("data", "prepare", "./my_data.py", "--from", raw)
    assert shown.code == 2 and f"my_data.py, line {line}: ZeroDivisionError" in shown.err


def test_without_its_raw_data_it_says_what_to_do(cli: Cli, raw: Path) -> None:
    cli("new", "dataset", "my_data", "--here")
    answer = cli("data", "info", "./my_data.py")
    assert answer.code == 2 and "Say here where its raw data is to be had" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("name", "message"),
    [("Data", "lower-case letters"), ("czu_mhad", "dataset 'czu-mhad' already")],
)
def test_a_name_that_cannot_be(cli: Cli, raw: Path, name: str, message: str) -> None:
    answer = cli("new", "dataset", name, "--here")
    assert answer.code == 2 and message in answer.err
    assert not (raw.parent / f"{name}.py").exists()


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("broken", "1 / 0\n", r"broken\.py, line 1: cannot be imported: ZeroDivisionError"),
        ("an_empty_one", "", "registers no dataset called 'an-empty-one'"),
        ("czu_mhad", "", "'czu-mhad' is taken by harbench.datasets.czu_mhad"),
    ],
)
def test_a_file_that_holds_no_dataset(tmp_path: Path, name: str, source: str, message: str) -> None:
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(HarbenchError, match=message):
        registry.dataset_class(str(tmp_path / f"{name}.py"))
    with pytest.raises(HarbenchError, match=r"Dataset file .*nowhere\.py does not exist"):
        registry.dataset_class("nowhere.py")
