"""From runs to statements: table, compare, figure, reproduce, report, calibrate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli

SMOKE = ("--dataset", DATASET, "--budget", "smoke", "--seeds", "0-2")


@pytest.fixture(scope="module")
def _ran_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache and results after a small grid."""
    folder = tmp_path_factory.mktemp("ran")
    places = {"HARBENCH_CACHE": str(folder / "cache"), "HARBENCH_RESULTS": str(folder / "results")}
    for method in ("cnn", "random_forest"):
        words = ("run", "--method", method, "--protocol", "missing-10", *SMOKE)
        command = [sys.executable, "-m", "harbench", *words]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | places)
    return folder


@pytest.fixture
def ran(cli: Cli, _ran_once: Path, tmp_path: Path) -> Cli:
    """The command line, after a small grid has been run, with a copy of what it has left."""
    shutil.copytree(_ran_once, tmp_path, dirs_exist_ok=True)
    return cli


def test_from_records_to_statements(ran: Cli, tmp_path: Path) -> None:
    shown = ran(
        *("table", "--protocol", "missing-10", "--control", "cnn", "--rows", "random_forest")
    )
    assert shown.code == 0 and "CNN (control)" in shown.out
    assert "Random forest" in shown.out and "Nadeau-Bengio" in " ".join(shown.out.split())
    sensor = ran("table", "--protocol", "missing-10", "--scale", "sensor", "--format", "csv")
    assert "missing-10,sensor,0.1" in sensor.out
    out = tmp_path / "t.tex"
    assert ran("table", "--protocol", "missing-10", "--format", "latex", "--out", out).code == 0
    assert "\\begin{threeparttable}" in out.read_text()
    compared = ran("compare", "cnn", "random_forest")
    assert compared.code == 0 and "all together" in compared.out
    for kind in ("missing", "cost", "ranks", "confusion"):
        one = ("--method", "cnn", "--condition", "mixed 10 %")
        extra = one if kind == "confusion" else ()
        drawn = ran("figure", kind, "--out", tmp_path / f"{kind}.png", *extra)
        # Two methods are too few for ranks, and that is said.
        assert drawn.code == (2 if kind == "ranks" else 0), drawn.err
        assert (tmp_path / f"{kind}.png").exists() == (kind != "ranks")
    names = ("mixed", "sensor"), ("sensor",)
    drawn = [tmp_path / f"{' '.join(scales)}.svg" for scales in names]
    for scales, picture in zip(names, drawn, strict=True):
        words = [word for scale in scales for word in ("--scale", scale)]
        assert ran("figure", "missing", *words, "--out", picture).code == 0
    assert ["<!-- mixed" in each.read_text() for each in drawn] == [True, False]
    page = tmp_path / "report.html"
    assert ran("report", "--out", page, "--control", "cnn").code == 0
    assert "random_forest" in page.read_text()
    for wrong in (
        ("r.docx",),
        ("r",),
        ("r.html", "--format", "pdf"),
        ("r.pdf", "--format", "html"),
    ):
        refused = ran("report", "--out", tmp_path / wrong[0], *wrong[1:])
        assert refused.code == 2 and "does not go with the ending" in refused.err
        assert not (tmp_path / wrong[0]).exists()
    folder = tmp_path / "results" / DATASET / "missing-10" / "smoke"
    two = ran("compare", folder / "cnn", folder / "random_forest")
    assert two.code == 0 and "all together" in two.out


NOTHING = (
    (("compare", "cnn", "random_forest", "--method", "cnn"), "--method is of two folders"),
    (("table", "--protocol", "missing-10", "--by", "class", "--summary"), "tests nothing"),
    (("table", "--protocol", "missing-10", "--by", "class", "--control", "x"), "Unknown"),
    (("table", "--protocol", "missing-10", "--by", "class", "--metric", "accuracy"), "--metric"),
    (("table", "--protocol", "missing-10", "--out", "t.tex", "--format", "csv"), "leave one"),
    (("figure", "reconstruction", "--out", "a.jpg"), "ends in .pdf, .png, .svg"),
    (("figure", "missing", "--scale", "mixd", "--out", "a.png"), "Did you mean 'mixed'?"),
    (("figure", "confusion", "--scale", "mixed", "--out", "a.png"), "--scale is of figures over"),
    (("figure", "learning", "--condition", "clean", "--out", "a.png"), "no --condition"),
    (("reproduce", "fig5", "--no-run"), "leave out --no-run"),
)


def test_options_and_endings_mean_something(ran: Cli, tmp_path: Path) -> None:
    for words, message in NOTHING:
        answer = ran(*words)
        assert answer.code == 2 and message in answer.err, answer.err
    inside = ran("leaderboard", "build", "--out", tmp_path / "results" / "site")
    assert inside.code == 2 and "lies in the results folder" in inside.err
    begins = {"tex": "% ", "md": "Protocol ", "csv": "method,", "html": "<style>"}
    for ending, first in begins.items():
        out = tmp_path / f"t.{ending}"
        assert ran("table", "--protocol", "missing-10", "--out", out).code == 0
        assert out.read_text().startswith(first), ending
    # A third method's records under other splits bring no notes, and refuse nothing.
    third = ("--method", "cnn", "--set", "width=8", "--set", "kernel=3", "--protocol", "subject")
    assert ran("run", *third, *SMOKE).code == 0
    answer = ran("compare", "cnn", "random_forest")
    assert answer.code == 0 and ", subject (" not in " ".join(answer.out.split())


def test_a_control_that_only_another_protocol_has_is_none(ran: Cli) -> None:
    robusthar = ("--method", "robusthar", "--set", "width=8", "--set", "heads=2")
    assert ran("run", *robusthar, "--protocol", "clean", *SMOKE).code == 0
    shown = ran("table", "--protocol", "missing-10")
    assert shown.code == 0 and "control" not in shown.out, shown.err


def test_summary_numbers_of_several_rates(ran: Cli, tmp_path: Path) -> None:
    one = ran("table", "--protocol", "missing-10", "--summary")
    assert one.code == 2 and "two rates" in one.err
    assert ran("run", "--method", "cnn", "--protocol", "missing-5", *SMOKE).code == 0
    asked = ("table", "--protocol", "missing-5", "--protocol", "missing-10", "--summary")
    shown = ran(*asked, "--scale", "sensor", "--format", "markdown")
    assert shown.code == 0, shown.err
    lacking = "Left out, because conditions lack: Random forest"
    for words in ("area, sensor", "5 points lost at, sensor", "worst", "(5, 10 %)", lacking):
        assert words in shown.out
    picture = tmp_path / "area.png"
    drawn = ran("figure", "area", "--control", "cnn", "--out", picture)
    assert drawn.code == 0 and picture.exists(), drawn.err


def test_the_paper_beside_what_is_there(ran: Cli, tmp_path: Path) -> None:
    found = ran(
        *("reproduce", "table3", "--dataset", DATASET, "--dataset", "opportunity", "--no-run"),
        *("--budget", "smoke", "--method", "cnn", "--seeds", "0-2"),
    )
    assert found.code == 0 and "CNN" in found.out and "opportunity" in found.out
    sizes = ran("reproduce", "table1", "--dataset", DATASET)
    assert sizes.code == 0 and "8,165" in sizes.out
    drawn = ran(
        *("reproduce", "fig5", "--dataset", DATASET, "--budget", "smoke", "--out", tmp_path / "f"),
    )
    assert drawn.code == 0 and len(list((tmp_path / "f").glob("fig5-*.pdf"))) == 1
    ran_anew = ran(
        *("reproduce", "fig4a", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0"),
        *("--out", tmp_path / "f"),
    )
    assert ran_anew.code == 0 and len(list((tmp_path / "f").glob("fig4a-*.pdf"))) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table", "--protocol", "clean", "--metric", "acc"), "Unknown metric 'acc'"),
        (("table", "--protocol", "clean"), "There are no records of clean"),
        (("table", "--protocol", "missing-10", "--test", "nbt"), "Did you mean 'nb-t'"),
        (("table", "--protocol", "missing-10", "--scale", "sensr"), "Did you mean 'sensor'"),
        (("table", "--protocol", "missing-10", "--control", "cn"), "Did you mean 'cnn'"),
        (("compare", "cnn", "robusthar"), "Unknown method in the records"),
        (("figure", "ablation", "--out", "a.png"), "run the protocol ablation"),
        (("figure", "cost", "--out", "a.gif"), "ends in"),
        (("table", "--protocol", "missing-10", "--budget", "paper"), "Unknown budget in"),
    ],
)
def test_mistakes(ran: Cli, arguments: tuple[str, ...], message: str) -> None:
    answer = ran(*arguments)
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err


def test_calibration_is_a_command(cli: Cli) -> None:
    answer = cli("calibrate", "--repetitions", "20")
    assert answer.code == 0 and "nb-t-pooled" in answer.out and "20 repetitions" in answer.out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX engine (pdflatex)")
def test_latex_compiles(ran: Cli, tmp_path: Path) -> None:
    ran("table", "--protocol", "missing-10", "--control", "cnn", "--format", "latex",
        "--out", tmp_path / "table.tex")  # fmt: skip
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,siunitx,threeparttable}\n"
        "\\begin{document}\\input{table.tex}\\end{document}\n"
    )
    call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 1000
