"""Text from outside (names, titles, paths, errors), made harmless where it is shown or written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# What moves the cursor, hides or turns round text; lone surrogates, which no encoding has.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# A spreadsheet computes a cell that begins so.
FORMULA = re.compile(r"[=+\-@\t\r]")


def visible(text: str, lines: bool = True) -> str:
    r"""The text with control characters and lone surrogates spelled out (``\x1b``).

    lines: line breaks and tabulators stay, as in a message; a name has none.
    """
    shown = UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return shown if lines else shown.replace("\n", r"\n").replace("\t", r"\t")


def markdown(text: str) -> str:
    """The text as a cell of a Markdown table, or in a line: nothing in it is markup."""
    plain = re.sub(r"([\\*|`\[\]])", r"\\\1", text.replace("<", "&lt;"))
    return " ".join(plain.splitlines())


def spreadsheet(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame for a CSV file: texts that a spreadsheet would compute begin with an apostrophe."""
    texts = frame.select_dtypes(include=["object", "string", "category"]).columns
    safe = frame.assign(**{str(name): frame[name].map(_inert) for name in texts})
    return safe.rename(columns=_inert)


def _inert(value: object) -> object:
    if not isinstance(value, str) or not FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
