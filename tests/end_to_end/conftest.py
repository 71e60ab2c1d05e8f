"""A smoke run through the command line; its workers are real processes."""

from __future__ import annotations

import pytest
from end_to_end.commands import DATASET, TINY, Answer, Cli


@pytest.fixture
def run(cli: Cli) -> Cli:
    """``run("clean", "--seeds", "0")``: a smoke run of a tiny RobustHAR on tiny bodysim."""

    def call(protocol: str, *arguments: object) -> Answer:
        return cli(
            *("run", "--method", "robusthar", "--dataset", DATASET, "--budget", "smoke"),
            *("--protocol", protocol, *TINY, *arguments),
        )

    return call
