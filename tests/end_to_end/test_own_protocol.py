"""A protocol of one's own, begun by `harbench new protocol`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli

from harbench.cli.new import PROTOCOL
from harbench.protocol import Protocol, read_protocol


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_file_is_a_protocol_and_explains_every_key(cli: Cli, tmp_path: Path) -> None:
    made = cli("new", "protocol", "my-rules", "--here")
    assert made.code == 0 and "--protocol ./my-rules.toml" in made.out
    found = read_protocol(Path("my-rules.toml"))
    assert found.split == "subject" and len(found.conditions) == 9
    # What is commented out is right, too.
    whole = "\n".join(
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in PROTOCOL.splitlines()
        if not line.startswith("# random:") and "(seeds =" not in line
    )
    keys = tomllib.loads(whole)
    assert set(keys) == set(Protocol.model_fields) - {"name"}
    (tmp_path / "whole.toml").write_text(whole)
    assert len(read_protocol(tmp_path / "whole.toml").conditions) == 11
    run = ("run", "--method", "cnn", "--dataset", DATASET, "--budget", "smoke", "--seeds", "0")
    done = cli(*run, "--protocol", "./my-rules.toml")
    assert done.code == 0, done.err
    # What reads records takes the file, too, and says so where it is named without its path.
    own = ("--protocol", "./my-rules.toml")
    for reads in (("table",), ("power", "--control", "cnn"), ("results",)):
        answer = cli(*reads, *own)
        assert answer.code == 0 or "Unknown protocol" not in answer.err, answer.err
    # What it reports first, besides the headline's score, stands beside that in its table.
    other = PROTOCOL.replace(
        'metrics = ["accuracy", ', 'metrics = ["balanced_accuracy", "accuracy", '
    )
    Path("my-rules.toml").write_text(other)
    assert "balanced accuracy" in cli("table", *own).out
    refused = cli("table", "--protocol", "my-rules")
    assert refused.code == 2 and "Or do you mean ./my-rules.toml?" in refused.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing-10", "--here"), "There is a protocol 'missing-10' already"),
        (("Mine", "--here"), "lower-case"),
        (("taken", "--here"), "exists already"),
    ],
)
def test_what_cannot_be_written_is_said(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    Path("taken.toml").write_text("")
    answer = cli("new", "protocol", *arguments)
    assert answer.code == 2 and words in answer.err
