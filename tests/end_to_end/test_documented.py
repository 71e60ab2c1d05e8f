"""Every command of README and docs works: run on the committed records, planned, or read."""

from __future__ import annotations

import ast
import json
import re
import shutil
import socket
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import typer
from end_to_end import printed
from end_to_end.commands import Cli
from end_to_end.documented import OTHERS, PAGES, ROOT, SHOWN, Command, blocks, commands, lines
from end_to_end.test_findings import commands_of, sections

from harbench import registry
from harbench.cli.main import app
from harbench.data.tables import read_recording
from harbench.protocol import read_protocol

README = (ROOT / "README.md").read_text(encoding="utf-8")
ALL = commands()
# Run by test_findings, which reads what they print, too.
READ_TOO = {command for text in sections().values() for command in commands_of(text)}


def of(way: str) -> Any:
    marks = {True: [pytest.mark.slow], False: []}
    left = [c for c in ALL if c.way == way and " ".join(c.words) not in READ_TOO]
    chosen = [pytest.param(c, marks=marks[c.slow], id=str(c)) for c in left]
    return pytest.mark.parametrize("command", chosen)


@pytest.fixture
def here(committed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the committed records at hand, and no network."""

    def unreachable(*_: object, **__: object) -> NoReturn:
        raise OSError("tests know no network")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def begin(cli: Cli, command: Command) -> None:
    """Write the files of the reader's own that a command names."""
    for kind, name in (("method", "my_net.py"), ("protocol", "my-rules.toml")):
        made = command.words[:2] == ["new", kind]
        if name in command.text and not made:
            assert cli("new", kind, name.split(".")[0], "--here").code == 0
    if "run.toml" in command.text:
        Path("run.toml").write_text('methods = ["cnn"]\nprotocols = ["clean"]\nseeds = "0-1"\n')


def ends_well(cli: Cli, command: Command, *more: str) -> None:
    begin(cli, command)
    answer = cli(*command.words, *more)
    assert answer.code == 0, f"{command.page}: harbench {command.text}\n{answer.out}{answer.err}"


@of("executed")
def test_it_runs_on_what_is_shipped(
    command: Command, cli: Cli, here: Path, spar_cache: Path
) -> None:
    ends_well(cli, command)
    for out in command.given("--out") + command.given("--csv"):
        assert (here / out).exists()


@of("planned")
def test_its_runs_can_be_planned(command: Command, cli: Cli, here: Path, spar_cache: Path) -> None:
    ends_well(cli, command, *([] if "--dry-run" in command.words else ["--dry-run"]))


@of("read")
def test_its_options_and_names_exist(command: Command, cli: Cli, here: Path) -> None:
    begin(cli, command)
    understood(laid_out(command.words, here))
    for option in ("--method", "--dataset", "--protocol"):
        for value in command.given(option):
            known(option, value.split("+")[0])


def laid_out(words: list[str], here: Path) -> list[str]:
    """The words as the shell gives them on, after the files that they name were made in `here`.

    Records named below results/dsads are committed ones.
    """
    (here / "results").mkdir()
    given = []
    for word in words:
        if "*" in word:
            given += [str(path) for path in sorted(ROOT.glob(word))]
            continue
        given.append(word)
        assert not word.startswith("results/dsads") or (ROOT / word).is_file()
        if Path(word).suffix in (".json", ".zip", ".csv"):
            (here / word).parent.mkdir(parents=True, exist_ok=True)
            (here / word).touch()
    return given


def understood(words: list[str]) -> None:
    """Let a command line be read with all its values, without doing anything."""
    verb: Any = typer.main.get_command(app)
    while hasattr(verb, "commands"):
        verb, words = verb.commands[words[0]], words[1:]
    verb.make_context("harbench", list(words))


def known(option: str, name: str) -> None:
    if option == "--method":
        registry.method_class(name)
    elif option == "--dataset" and not name.startswith("./"):
        assert name in registry.dataset_names()
    elif option == "--protocol":
        registry.protocol(name)


@pytest.mark.parametrize(
    "words", ["tune --method cnn --trial 3", "probe sensor cnn", "cost --dataset", "bench --out"]
)
def test_wrong_options_would_be_noticed(words: str) -> None:
    with pytest.raises((type(typer.BadParameter("")).__mro__[1], KeyError)):
        understood(words.split())


def test_records_of_two_budgets_would_be_noticed(
    cli: Cli, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A documented command that does not say which of several budgets it means fails."""
    copied = tmp_path / "copied"
    shutil.copytree(ROOT / "results" / "dsads", copied / "dsads")
    record = next((copied / "dsads" / "subject" / "quick" / "cnn").glob("seed-0.json"))
    values = json.loads(record.read_text())
    values["identity"]["budget"] = "smoke"
    other = Path(str(record).replace("/quick/", "/smoke/"))
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(values))
    monkeypatch.setenv("HARBENCH_RESULTS", str(copied))
    with pytest.raises(AssertionError, match="budget"):
        ends_well(cli, Command("README.md", "harbench table --protocol subject --dataset dsads"))


def test_every_line_of_a_console_block_is_known() -> None:
    for page, line in lines():
        assert line.startswith(("harbench ", *OTHERS)), f"{page}: {line}"
    assert sum(command.way == "executed" for command in ALL) >= 25


def test_the_two_commands_of_the_readme() -> None:
    first = "pip install . && harbench run --method robusthar --protocol missing-10 --budget quick"
    assert f"```console\n$ {first}\n$ pip install tox && tox\n```" in README
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.parent.name)
def test_the_tables_of_a_page_are_what_their_commands_print(
    cli: Cli, here: Path, page: Path
) -> None:
    text = page.read_text(encoding="utf-8")
    assert printed.BLOCK.search(text)
    assert printed.renewed(text, lambda words: cli(*words.split()).out) == text, (
        f"{page}: cd tests && python -m end_to_end.printed"
    )


def test_python_and_toml_blocks_can_be_read(tmp_path: Path) -> None:
    for page, block in blocks("python"):
        ast.parse(block, filename=str(page))
    for page, block in blocks("toml"):
        tomllib.loads(block)
        if page.name == "protocols.md":
            path = tmp_path / "mine.toml"
            path.write_text(block)
            assert read_protocol(path).headline.rate == 0.10


def test_the_recording_of_the_docs_fits_a_model_of_spar(here: Path) -> None:
    (block,) = (text for _, text in blocks("python") if "to_csv" in text)
    exec(compile(block, "models.md", "exec"), {})
    spar = registry.dataset_class("spar")
    found = read_recording([here / "monday.csv"], spar(spar.Options()).info, 1.0)
    assert len(found.values) > 128 and np.isfinite(found.values).all()


def test_every_page_can_be_reached() -> None:
    """Without mkdocs, which `tox -e docs` asks more strictly."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": ([\w-]+\.md)$", navigation, re.MULTILINE)
    assert sorted(named) == [page.name for page in PAGES[len(SHOWN) :]], "nav of mkdocs.yml"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target
