"""The command line, called in this process; its workers are real processes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from end_to_end.commands import DATASET, TINY, Answer, Cli

from harbench.cli.main import main


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``cli("run", "--method", "robusthar")``."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["harbench", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return Answer(int(code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def run(cli: Cli) -> Cli:
    """``run("clean", "--seeds", "0")``: a smoke run of a tiny RobustHAR on tiny bodysim."""

    def call(protocol: str, *arguments: object) -> Answer:
        return cli(
            *("run", "--method", "robusthar", "--dataset", DATASET, "--budget", "smoke"),
            *("--protocol", protocol, *TINY, *arguments),
        )

    return call
