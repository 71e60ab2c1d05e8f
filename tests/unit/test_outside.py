"""Text from outside: shown as it is, obeyed by no terminal, spreadsheet, markup or formula."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from end_to_end.commands import Cli
from hypothesis import given
from hypothesis import strategies as st
from unit.frames import CLEAN, records, written
from unit.test_figures import sweep
from unit.test_records import place, put, values

from harbench.analysis.figures import bars
from harbench.analysis.figures.style import encoded
from harbench.analysis.table import Rules, paper_table
from harbench.cli.console import terminal
from harbench.outside import markdown, spreadsheet, visible

HOSTILE = (
    "q[/x]", "[bold", "\x1b[31mred", "\x1b]0;title\x07", "\udcff\ud800", "a|b", "=1+1", "@x",
    "two\nlines", "\r over", "$\\macro$", ":smile:", "\u202eright", "'", "\\", "[link=x]y[/]",
)  # fmt: skip
TEXTS = st.text() | st.sampled_from(HOSTILE) | st.lists(st.sampled_from(HOSTILE)).map("".join)


@given(TEXTS)
def test_no_text_moves_the_cursor_or_stops_the_encoding(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
    assert all(c.isprintable() or c in "\n\t" or ord(c) > 255 for c in shown)
    assert visible(text, lines=False).count("\n") == 0
    if text.isprintable():
        assert shown == text


@given(TEXTS)
def test_a_terminal_shows_every_text_as_it_is(text: str) -> None:
    console = terminal()
    with console.capture() as captured:
        console.print(text, soft_wrap=True)
    assert captured.get().rstrip("\n").expandtabs(8) == visible(text).rstrip("\n").expandtabs(8)


@given(st.lists(TEXTS, min_size=1), st.floats(allow_nan=False))
def test_a_spreadsheet_computes_no_cell(texts: list[str], number: float) -> None:
    frame = spreadsheet(pd.DataFrame({"text": [visible(text) for text in texts], "=name": number}))
    assert not any(str(name).startswith("=") for name in frame.columns)
    assert (frame["'=name"] == number).all()
    for before, after in zip(map(visible, texts), frame["text"], strict=True):
        assert after.removeprefix("'") == before.removeprefix("'")
        if after[:1] in "=+-@" and after:
            float(after)


@pytest.mark.parametrize("number", ["-1.5", "+2", "-1e-3", "-inf"])
def test_numbers_stay(number: str) -> None:
    assert spreadsheet(pd.DataFrame({"text": [number]}))["text"][0] == number


@given(TEXTS)
def test_a_markdown_cell_stays_one_cell(text: str) -> None:
    cell = markdown(text)
    assert len(cell.splitlines()) <= 1
    plain = cell.replace("\\\\", "")
    assert "|" not in plain.replace("\\|", "") and "<" not in plain


def test_every_table_holds_hostile_names() -> None:
    frame = records({"robusthar": [90.0, 91.0, 92.0], "a|b\n[/x]$x$ <b>": [80.0, 81.0, 82.0]})
    table = paper_table(frame, [CLEAN], Rules(control="robusthar"))
    lines = written(table, "markdown").splitlines()
    assert r"a\|b \[/x\]$x$ &lt;b>" in next(line for line in lines if "80" in line or "81" in line)
    assert "<b>" not in written(table, "html").partition("<tbody>")[2].replace("<b>9", "")


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_a_figure_takes_no_name_for_a_formula(suffix: str) -> None:
    assert encoded(bars.ablation(sweep(r"$\macro$", "w/o $", "_^$")), suffix)
    frame = records({r"$\macro$": [90.0, 91.0], "$": [80.0, 81.0]})
    made = {"parameters": 1000, "train_seconds": 12.0, "windows_per_second": 9e3, "device": "cpu"}
    assert encoded(bars.cost(frame.assign(**made)), suffix)


def test_what_records_say_is_shown_by_every_verb(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    results = tmp_path / "q[/x]"
    for seed in (0, 1, 2):
        put(place(results, seed), {**values(seed), "variant": "=v[/x]\x1b[31m|$\\macro$\n2"})
    name = r"=v[/x]\x1b[31m|$\macro$\n2"
    table = ("table", "--protocol", "clean", "--results", results)
    for command in (("results", "list", "--results", results), table):
        answer = cli(*command)
        assert answer.code == 0 and name in answer.out and "\x1b" not in answer.out, answer
    assert r"=v\[/x\]\\x1b\[31m\|$\\macro$\\n2" in cli(*table, "--format", "markdown").out
    assert f"'{name}" in cli(*table, "--format", "csv").out
    csv, page = tmp_path / "a.csv", tmp_path / "a.html"
    assert cli("results", "list", "--results", results, "--csv", csv).code == 0
    assert f",'{name}," in csv.read_text()
    assert cli("report", "--results", results, "--out", page).code == 0
    assert cli("results", "check", results).code == 0


def test_a_name_that_is_no_text_stops_no_command(tmp_path: Path) -> None:
    """A path in another encoding reaches Python as lone surrogates."""
    results = os.fsencode(tmp_path) + b"/\xff\x1b[31m"
    command = [sys.executable, "-m", "harbench", "results", "list", "--results"]
    done = subprocess.run([*map(os.fsencode, command), results], capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr and b"\x1b" not in done.stderr
    assert rb"\udcff\x1b[31m" in done.stderr


def test_a_run_into_a_folder_with_such_a_name(tmp_path: Path) -> None:
    results = os.fsencode(tmp_path) + b"/q[/x]\xff"
    call = ["run", "--method", "cnn", "--protocol", "clean", "--budget", "smoke", "--seeds", "0"]
    call += ["--dataset", "bodysim+activities=3+seconds=24+sensors=3+subjects=3", "--results"]
    command = [sys.executable, "-m", "harbench", *call]
    done = subprocess.run([*map(os.fsencode, command), results], capture_output=True, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()
    assert rb"q[/x]\udcff" in done.stdout.replace(b"\n", b"")
    (record,) = Path(os.fsdecode(results)).rglob("seed-0.json")
    assert "udcff" in json.loads(record.read_text())["provenance"]["command"]


def test_nothing_is_written_in_place_of_what_is_no_file(cli: Cli, tmp_path: Path) -> None:
    """As root, a rename would replace even /dev/null."""
    put(place(tmp_path / "results"), values())
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    answer = cli("results", "list", "--csv", pipe)
    assert answer.code == 2 and "is not a file" in answer.err and pipe.is_fifo(), answer
    assert cli("results", "list", "--csv", tmp_path / "results").code == 2
