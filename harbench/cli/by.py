"""`harbench table --by class|subject`: one score taken apart."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from harbench.cli.reading import left_out
from harbench.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from harbench.analysis.pairs import Condition
    from harbench.analysis.sheet import Sheet


class By(StrEnum):
    """What a score is taken apart by."""

    subject = "subject"
    # `class` is a word of Python.
    kind = "class"


def sheets(
    by: By, frame: pd.DataFrame, condition: Condition, metric: str, control: str, root: Path
) -> Iterator[tuple[Sheet, pd.DataFrame]]:
    """A sheet and its numbers for each dataset. frame: of `chosen`, with confusion."""
    from harbench.analysis.breakdown import broken_down, by_class, caption
    from harbench.analysis.pairs import capital, only
    from harbench.cli.figure import class_names
    from harbench.errors import HarbenchError

    frame = only(frame, [condition])
    if frame.empty:
        raise HarbenchError(f"There are no records of {condition} among the chosen ones.")
    for dataset, part in frame.groupby("dataset", sort=True):
        if by is By.kind:
            scores, words = by_class(part, condition, class_names(str(dataset)) or []), "F1"
        else:
            scores, words = _by_subject(part, condition, metric, root), capital(metric)
        yield broken_down(scores, by.value, caption(part, words, condition), control), scores


def _by_subject(part: pd.DataFrame, condition: Condition, metric: str, root: Path) -> pd.DataFrame:
    """The scores of each person; records without predictions are named on stderr."""
    from harbench.analysis.pairs import named, tested
    from harbench.outside import visible
    from harbench.running.reading import candidates, read_record
    from harbench.running.subjects import subject_scores

    paths = set(named(part)["path"])
    mine = [path for path in candidates(root) if visible(str(path)) in paths]
    records = [(path, read_record(path)) for path in mine]
    words = tested(condition.scale, condition.rate)
    scores, absent = subject_scores(records, words, metric)
    if absent:
        say(f"harbench: {len(absent)} records are left out: {absent[0]}", err=True)
        left_out.set(True)
    return scores
