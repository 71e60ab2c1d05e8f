"""`harbench` itself, `list`, `data` and `results`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from end_to_end.commands import DATASET, LABEL, Cli
from harbench.datasets.dsads import Dsads


def test_help_is_fast_and_needs_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['harbench', '--help']\n"
        "from harbench.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    # Beside what Typer itself needs to draw help, on the same machine: seconds are not the same.
    drawing = "import typer.rich_utils, rich.markdown, rich.console, rich.table, rich.panel"
    pairs = [(cpu_seconds(code), cpu_seconds(drawing)) for _ in range(5)]
    assert min(ours for ours, _ in pairs) < 2.5 * min(theirs for _, theirs in pairs)


def cpu_seconds(code: str) -> float:
    """Of the processor: on a busy machine the clock says little."""
    begun = os.times()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    ended = os.times()
    assert done.returncode == 0, done.stderr
    taken = ended.children_user + ended.children_system
    return taken - begun.children_user - begun.children_system


def test_help_names_the_verbs(cli: Cli) -> None:
    assert all(verb in cli("--help").out for verb in ("run", "list", "results", "data"))


def test_version(cli: Cli) -> None:
    assert cli("--version").out.startswith("harbench 0.")


def test_an_unknown_verb_or_option_is_a_usage_error(cli: Cli) -> None:
    assert cli("rum").code == 2
    assert "No such option" in cli("run", "--metod", "x").err


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("methods", ["robusthar", "self-supervised", "IJCAI"]),
        ("datasets", ["spar", "dsads", "bodysim"]),
        ("protocols", ["clean", "missing-10-train", "loso", "mask-rate", "balance", "ablation"]),
    ],
)
def test_list(cli: Cli, kind: str, names: list[str]) -> None:
    answer = cli("list", kind)
    assert answer.code == 0 and all(name in answer.out for name in names)


def test_list_without_a_word_lists_everything(cli: Cli) -> None:
    answer = cli("list")
    assert answer.code == 0 and all(name in answer.out for name in ("robusthar", "spar", "loso"))


def test_data_info_shows_what_one_must_know(cli: Cli) -> None:
    answer = cli("data", "info", f"{DATASET}+missing=0.1")
    assert answer.code == 0
    for word in ("licence", "citation", "fingerprint", "chest", "sitting", "Hz"):
        assert word in answer.out
    shares = [line.split()[-2] for line in answer.out.splitlines() if line.endswith("%")]
    assert len(shares) == 3 and all(3 < float(share) < 20 for share in shares)


def test_data_list_and_prepare(cli: Cli) -> None:
    assert "no" in cli("data", "list").out
    done = cli("data", "prepare", DATASET)
    assert done.code == 0 and "108 windows of (100, 3, 6)" in done.out


def test_data_prepare_of_something_else(cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"not a zip")
    answer = cli("data", "prepare", "dsads", "--from", wrong)
    assert answer.code == 2 and "is not a complete zip file" in answer.err
    missing = cli("data", "prepare", "dsads", "--from", tmp_path / "absent.zip")
    assert missing.code == 2 and "absent.zip does not exist" in missing.err
    assert not list((tmp_path / "cache").rglob("*.f32"))


def test_data_fetch_without_a_network(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    info = Dsads(Dsads.Options()).info
    monkeypatch.setattr(Dsads, "info", dataclasses.replace(info, url="http://127.0.0.1:9/a.zip"))
    answer = cli("data", "fetch", "dsads")
    assert answer.code == 2 and "Could not download dataset 'dsads'" in answer.err
    assert "Traceback" not in answer.err
    assert cli("data", "fetch", "spar").code == 2


def test_results_list_filter_and_export(run: Cli, cli: Cli, tmp_path: Path) -> None:
    assert "no results folder" in cli("results").err
    run("missing-5", "--seeds", "0-1")
    run("clean", "--seeds", "0")
    both = cli("results")
    assert both.code == 0 and "missing-5" in both.out and "clean" in both.out
    one = cli("results", "--protocol", "clean")
    assert "missing-5" not in one.out
    name, *options = DATASET.split("+")
    other = "+".join([name, *reversed(options), "max_gap=0.2"])
    assert cli("results", "--dataset", other).out == both.out
    typo = cli("results", "--protocol", "missing-6")
    assert typo.code == 2 and "Did you mean 'missing-5'" in typo.err
    target = tmp_path / "all.csv"
    assert cli("results", "--method", LABEL, "--csv", target).code == 0
    table = pd.read_csv(target)
    assert len(table) == 2 * 5 + 1
    assert set(table["scale"]) == {"clean", "mixed", "segment", "channel", "sensor"}
    assert table["accuracy"].between(0, 1).all()


def test_a_dataset_is_drawn_and_audited(cli: Cli, tmp_path: Path) -> None:
    drawn = cli("data", "show", DATASET, "--out", tmp_path / "body.png")
    assert drawn.code == 0 and (tmp_path / "body.png").stat().st_size > 10_000
    assert cli("data", "show", DATASET, "--out", tmp_path / "b.png", "--sensor", "9").code == 2
    audited = cli("data", "audit", DATASET)
    assert audited.code == 0 and "loso" in audited.out and "1-NN" in audited.out


def test_sizes_of_methods(cli: Cli) -> None:
    shown = cli("cost", "cnn", "random_forest", "--dataset", DATASET)
    assert shown.code == 0 and "supervised:" in shown.out and "in all" in shown.out
