"""The commands of README and docs, and how each of them can be tested."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOWN = (ROOT / "README.md", ROOT / "results" / "README.md")
PAGES = (*SHOWN, *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What stands in a console block beside harbench: set-up, and what development takes.
OTHERS = ("pip install", "tox", "export", "cd", "cp", "pytest", "ray start", "for gpu in")

# Run as they stand, on the committed records and on data that is shipped, without training.
EXECUTED = (
    *("list", "data list", "data info spar", "data show spar", "data describe spar"),
    *("data audit spar", "doctor", "results", "results check", "table", "compare", "figure"),
    "power",
    *("report", "leaderboard build", "new", "check", "cache", "reproduce table1"),
    "reproduce table3 --no-run",
)
# Of these, what takes more than a few seconds on all committed records: marked `slow`.
SLOW = ("report", "leaderboard build", "figure area")
# Planned (--dry-run), where the data is shipped and the methods are, or are what `new` writes.
PLANNED = ("run",)
# Read only, every option, value and name of them: they would train or take minutes, or they need
# raw data, a trained model or a zip that is not shipped.
READ = (
    *("data info", "data show", "data prepare", "data fetch", "data audit", "data gaps"),
    *("data describe", "tune", "probe", "reproduce", "results rerun", "results predictions"),
    *("cost", "bench", "calibrate", "verify", "model", "leaderboard", "figure learning"),
    # Records that only the reader will have.
    *("table --control my_net", "leaderboard build --audit"),
)
SHIPPED = ("spar", "bodysim")


@dataclass(frozen=True)
class Command:
    """A command line of harbench, and the page that shows it."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)[1:]

    @property
    def way(self) -> str:
        """executed, planned or read: what the longest beginning in the three lists says."""
        ways = {"executed": EXECUTED, "planned": PLANNED, "read": READ}
        found = [
            (len(each), way) for way, some in ways.items() for each in some if self._begins(each)
        ]
        if not found:
            raise AssertionError(f"{self.page}: say in documented.py how to test: {self.text}")
        way = max(found)[1]
        return "read" if way == "planned" and not self._can_be_planned() else way

    @property
    def slow(self) -> bool:
        """Whether it waits for `tox -e slow`."""
        return self.way == "executed" and any(map(self._begins, SLOW))

    def given(self, option: str) -> list[str]:
        """The values of an option, in order."""
        return [b for a, b in zip(self.words, self.words[1:], strict=False) if a == option]

    def _begins(self, beginning: str) -> bool:
        """Whether the command has these words, options that follow in any place."""
        verbs = [word for word in beginning.split() if not word.startswith("-")]
        if "--" not in beginning:
            return self.words[: len(verbs)] == verbs
        head = beginning.split(" --")[0].split()
        return self.words[: len(head)] == head and set(beginning.split()) <= set(self.words)

    def _can_be_planned(self) -> bool:
        names = [name.split("+")[0] for name in self.given("--dataset")]
        return all(name in SHIPPED for name in names) and "--tuned" not in self.words

    def __str__(self) -> str:
        return f"{self.way}: {self.page}: {' '.join(self.words)}"


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Every fenced block of a language, with its page."""
    for page in PAGES:
        for match in FENCE.finditer(page.read_text(encoding="utf-8")):
            if match[1] == language:
                yield page, match[2]


def lines() -> Iterator[tuple[str, str]]:
    """(page, command line) of every console block, continued lines joined, parts of && apart."""
    for page, block in blocks("console"):
        joined = re.sub(r"\\\n\s*", "", block)
        for line in joined.splitlines():
            if line.startswith("$ "):
                for part in line[2:].split(" && "):
                    yield page.name, part.strip()


def commands() -> list[Command]:
    """Every different harbench command, under the first page that shows it."""
    found: dict[str, Command] = {}
    for page, line in lines():
        if line.startswith("harbench "):
            command = Command(page, line)
            found.setdefault(" ".join(command.words), command)
    return list(found.values())
