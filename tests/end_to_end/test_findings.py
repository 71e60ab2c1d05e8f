"""Numbers of findings are printed by the commands of their section, from the committed records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from end_to_end.commands import Cli
from end_to_end.documented import FENCE, ROOT

COMMAND = re.compile(
    r"^(?:\$ |<!-- begin: )harbench (.*?)(?: -->)?$|`harbench (.*?)`", re.MULTILINE
)
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+\.\d+(?![\w.])")
SCORE = re.compile(r"\d+\.\d+ ± \d+\.\d+")
ENDS = r"([+-]?\d+\.\d+){} ([+-]?\d+\.\d+)"
INTERVALS = (
    re.compile(rf"\[{ENDS.format(',')}\]"),
    re.compile(rf"(?<![±\d.] )(?<!from )(?<![\d.]){ENDS.format(' to')}"),
)
PAGES = (
    (ROOT / "docs" / "findings.md", ""),
    (ROOT / "docs" / "imputation.md", "What filling is worth"),
    (ROOT / "docs" / "budgets.md", "Sizes"),
    (ROOT / "docs" / "budgets.md", "Frozen or fine-tuned"),
    (ROOT / "README.md", "One finding"),
)


def sections() -> dict[str, str]:
    """Heading -> text, of docs/findings.md and of what other pages say of the records."""
    found = {}
    for page, wanted in PAGES:
        parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        pairs = zip(parts[1::2], parts[2::2], strict=True)
        found |= {head: text for head, text in pairs if wanted in ("", head)}
    return found


def commands_of(text: str) -> list[str]:
    """The commands of a section; of what trains for hours its tables are committed."""
    found = [
        " ".join((first or second).split("#")[0].split()) for first, second in COMMAND.findall(text)
    ]
    return [command for command in found if not command.startswith("tune ")]


def numbers(text: str) -> set[str]:
    """Decimals, those with a plus sign without it, too: a sentence says "14.08 points"."""
    found = set(NUMBER.findall(text))
    return found | {each.lstrip("+-") for each in found}


def apart(prose: str, printed: str) -> list[str]:
    """Scores whose deviation, and intervals whose other end, is printed of something else.

    What is printed as a less b may be said as b less a.
    """
    scores = set(SCORE.findall(" ".join(printed.split())))
    lines = [{float(number) for number in NUMBER.findall(line)} for line in printed.splitlines()]
    found = [score for score in SCORE.findall(prose) if score not in scores]
    for low, high in (ends for kind in INTERVALS for ends in kind.findall(prose)):
        ends = float(low), float(high)
        turned = -ends[1], -ends[0]
        if not any(line.issuperset(each) for line in lines for each in (ends, turned)):
            found.append(f"{low}, {high}")
    return found


@pytest.mark.parametrize("heading", sections())
def test_its_numbers_are_what_its_commands_print(
    heading: str, committed: None, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sections()[heading]
    words = " ".join(re.sub(r"`[^`]*`", "", FENCE.sub("", text)).split())
    prose = numbers(words)
    commands = commands_of(text)
    assert commands or not prose, f"{heading}: no command prints {sorted(prose)}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    printed = ""
    for command in commands:
        answer = cli(*command.split())
        assert answer.code == 0, f"harbench {command}\n{answer.err}"
        printed += answer.out
    missing = prose - numbers(printed)
    assert not missing, f"{heading}: {sorted(missing)} are not printed by its commands"
    assert not (odd := apart(words, printed)), f"{heading}: printed apart, or not at all: {odd}"
