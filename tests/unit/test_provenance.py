"""What a record says of how it was made."""

from __future__ import annotations

import sys

import pytest

from harbench.running.provenance import command_line


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("/usr/bin/harbench", "harbench run"),
        ("/lib/python3/harbench/__main__.py", "python -m harbench run"),
        ("mine.py", "mine.py run"),
    ],
)
def test_the_command_can_be_typed_again(
    program: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "run"])
    assert command_line() == words
