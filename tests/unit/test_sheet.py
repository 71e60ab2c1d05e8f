"""Tables as they are printed: panels that fit, headings, marks, and words that stay whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.frames import CLEAN, MIXED, records

from harbench.analysis.latex import latex
from harbench.analysis.pairs import Condition
from harbench.analysis.sheet import GAP, Lane, Piece, Sheet, group_width, headings, sheet_of, widths
from harbench.analysis.table import Rules, paper_table
from harbench.analysis.web import element
from harbench.cli.sheets import lines

SCORES = {
    "robusthar": [95.0, 96.0, 94.0, 95.5, 96.5],
    "cnn": [96.0, 96.5, 95.5, 96.0, 97.0],
    "minirocket+augment=corruption+impute=linear": [70.0, 71.5, 69.0, 70.2, 72.0],
}
HEADINGS = st.sampled_from(
    [(), ("a",), ("dsads", "clean"), ("dsads", "mixed 10 %"), ("b", "clean")]
)
LANES = st.lists(
    st.builds(
        lambda title, text, mark, above: Lane(title, [Piece(text, 0, mark)], above),
        st.sampled_from(["n", "macro F1", "accuracy"]),
        st.sampled_from(["-", "95.00 ± 1.00", "+1.00 [-2.00, +3.00]"]),
        st.sampled_from(["", "*", " n/a"]),
        HEADINGS,
    ),
    min_size=1,
    max_size=12,
)


def sheet(datasets: tuple[str, ...] = ("dsads", "hugadb+step=512", "spar")) -> Sheet:
    frame = records(SCORES, datasets=datasets, conditions=(CLEAN, MIXED))
    return sheet_of(paper_table(frame, [CLEAN, MIXED], Rules(control="robusthar")))


@given(LANES, st.integers(10, 90))
def test_panels_hold_every_lane_once_and_fit(lanes: list[Lane], room: int) -> None:
    panels = Sheet("method", ["x"], lanes, "").panels(room)
    assert [lane for panel in panels for group in panel for lane in group] == lanes
    for panel in panels:
        wide = sum(group_width(group) for group in panel)
        assert wide <= room or (len(panel) == 1 and len(panel[0]) == 1)


@given(LANES)
def test_headings_reach_over_all_lanes_and_fit_above_them(lanes: list[Lane]) -> None:
    wide = widths(lanes)
    assert all(lane.width <= width for lane, width in zip(lanes, wide, strict=True))
    for line in headings(lanes):
        at = 0
        for text, count in line:
            assert len(text) <= sum(wide[at : at + count]) + GAP * (count - 1)
            at += count
        assert at == len(lanes)


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_whole_words_within_its_width(width: int) -> None:
    shown = [line.plain for line in lines(sheet(), width)]
    assert max(map(len, shown)) <= width
    text = "\n".join(shown)
    for word in ("RobustHAR (control)", "augment=corruption,", "impute=linear", "hugadb+step=512"):
        assert word in text
    assert len(re.findall(r"^CNN ", text, re.MULTILINE)) == {80: 4, 120: 2}[width]


def test_the_best_row_is_first_and_the_control_is_marked() -> None:
    found = sheet()
    assert found.rows[:2] == ["CNN", "RobustHAR (control)"] and found.marked == 1
    assert found.rows[2] == "MiniRocket, augment=corruption, impute=linear"
    rows = [line for line in lines(found, 80) if line.plain.startswith(("CNN", "RobustHAR"))]
    for row in rows:
        bold = any(span.start == 0 and span.style == "bold" for span in row.spans)
        assert bold == row.plain.startswith("RobustHAR (control)")


def test_two_protocols_that_test_alike_are_told_apart() -> None:
    other = Condition("missing-10", "clean", 0.0)
    twice = records(SCORES, conditions=(CLEAN, other))
    found = sheet_of(paper_table(twice, [CLEAN, other], Rules()))
    assert {lane.above[1] for lane in found.lanes if lane.above} == {"clean", "missing-10 (clean)"}


def test_latex_leaves_the_second_score_out_where_it_lacks_room() -> None:
    frame = records(SCORES)
    narrow, wide = sheet_of(paper_table(frame, [CLEAN], Rules(control="robusthar"))), sheet()
    assert "{accuracy}" in latex([narrow]) and "{accuracy}" not in latex([wide])
    text = latex([wide])
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") >= 1
    assert text.count(r"\begin{tablenotes}") == 1 and "S[table-format=2.2 +- 1.2]" in text


def test_html_has_a_caption_scopes_and_the_control_as_a_class() -> None:
    text = element(sheet(("dsads",)))
    assert "<caption>Protocol clean, missing-10: macro F1" in text
    assert text.count('scope="row"') == 3 and text.count('scope="colgroup"') == 3
    assert '<tr class="control"><th scope="row">RobustHAR (control)</th>' in text
