"""The tables of a page between two comments, and the commands that print them.

`python -m end_to_end.printed` puts into the pages what the commands print today.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from end_to_end.documented import ROOT, SHOWN

BLOCK = re.compile(r"(<!-- begin: harbench (.*?) -->\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def rows(printed: str) -> list[str]:
    """The rows of a printed Markdown table, without the spaces that align it."""
    found = []
    for line in printed.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            ruled = all(cell and set(cell) <= set("-:") for cell in cells)
            found.append("|---" * len(cells) + "|" if ruled else f"| {' | '.join(cells)} |")
    return found


def renewed(page: str, print_: Callable[[str], str]) -> str:
    """The text of a page with every table anew."""

    def table(match: re.Match[str]) -> str:
        return match[1] + "\n".join(rows(print_(match[2]))) + match[4]

    return BLOCK.sub(table, page)


def _run(words: str) -> str:
    command = ["harbench", *words.split()]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout


if __name__ == "__main__":
    for path in SHOWN:
        path.write_text(renewed(path.read_text(encoding="utf-8"), _run), encoding="utf-8")
