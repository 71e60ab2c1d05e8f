"""Shells complete verbs, options and fixed values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# How each shell's script asks for what could follow `harbench ...`; zsh and fish ask alike.
ASKED = {
    "bash": lambda line: {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
        "_HARBENCH_COMPLETE": "complete_bash",
    },
    "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line, "_HARBENCH_COMPLETE": "complete_zsh"},
    "fish": lambda line: {
        "_TYPER_COMPLETE_ARGS": line,
        "_HARBENCH_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    },
}


def harbench(*words: str, **variables: str) -> str:
    code = "import sys; sys.argv[0] = 'harbench'; from harbench.__main__ import main; main()"
    call = [sys.executable, "-c", code, *words]
    done = subprocess.run(
        call, capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ASKED)
def test_a_shell_is_told_what_can_follow(shell: str) -> None:
    for line, wanted in {
        "harbench lead": "leaderboard",
        "harbench run --met": "--method",
        "harbench figure rank": "ranking",
        "harbench probe trans": "transfer",
        "harbench run --method rob": "robusthar",
        "harbench run --protocol missing-10-": "missing-10-train",
        "harbench table --dataset hug": "hugadb",
    }.items():
        assert wanted in harbench(**ASKED[shell](line))
    assert "compare" not in harbench(**ASKED[shell]("harbench lead"))


def test_names_are_completed_without_torch() -> None:
    code = "import sys; from harbench.cli.complete import *; assert methods('time') == ['timesnet']"
    code += "; assert datasets('dsa') == ['dsads'] and protocols('abl') == ['ablation']"
    subprocess.run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)


@pytest.mark.parametrize(
    ("shell", "written"),
    [
        ("bash", ".bash_completions/harbench.sh"),
        ("zsh", ".zfunc/_harbench"),
        ("fish", ".config/fish/completions/harbench.fish"),
    ],
)
def test_it_is_installed_in_one_line(shell: str, written: str, tmp_path: Path) -> None:
    # The library's own switch: name the shell, for tests run in none.
    undetected = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    harbench("--install-completion", shell, **undetected)
    assert "_HARBENCH_COMPLETE" in (tmp_path / written).read_text()
