"""Tables of made-up records: pairing, ranks, holes, footnotes, formats."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from unit.frames import CLEAN, MIXED, RULES, SCORES, records, written

from harbench.analysis.compare import compare
from harbench.analysis.figures.curves import missing
from harbench.analysis.latex import escape
from harbench.analysis.pairs import Condition, named, pairs
from harbench.analysis.render import FORMATS
from harbench.analysis.table import Rules, paper_table
from harbench.cli.tables import footnote, results_tables
from harbench.errors import HarbenchError


def test_budgets_are_never_mixed() -> None:
    frame = records(SCORES)
    frame.loc[0, "budget"] = "paper"
    with pytest.raises(HarbenchError, match="different budgets"):
        paper_table(frame, [CLEAN], RULES)


def test_best_second_and_ranks() -> None:
    table = paper_table(records(SCORES), [CLEAN], RULES)
    assert list(table.rows) == ["cnn", "robusthar", "bad_one"]
    ranks = {name: cells[0].rank for name, cells in table.rows.items() if cells[0]}
    assert ranks == {"cnn": 1, "robusthar": 2, "bad_one": 0}
    assert table.ranks == {"bad_one": 3.0, "cnn": 1.0, "robusthar": 2.0}


def test_markers_are_the_control_s() -> None:
    table = paper_table(records(SCORES), [CLEAN], RULES)
    found = {name: cells[0] for name, cells in table.rows.items()}
    assert found["bad_one"] and found["bad_one"].result
    assert found["bad_one"].result.verdict(0.05) == "better"
    assert found["robusthar"] and found["robusthar"].result is None
    text = written(table, "markdown")
    assert r"70.54 ± 1.21\*" in text and "**96.20 ± 0.57**" in text and "<u>95.40" in text


def test_holes_are_marked_and_refused() -> None:
    frame = records(SCORES, datasets=("x", "y"))
    frame = frame[~((frame["method"] == "cnn") & (frame["dataset"] == "y"))]
    table = paper_table(frame, [CLEAN], RULES)
    assert table.holes == ["cnn: y, clean"] and "cnn" not in table.average
    assert any(note.startswith("-: no record (1 cells);") for note in table.notes)
    with pytest.raises(HarbenchError, match="1 cells have no record: cnn: y, clean"):
        paper_table(frame, [CLEAN], RULES, complete=True)
    fewer = records(SCORES)
    fewer = fewer[~((fewer["method"] == "cnn") & (fewer["seed"] == 4))]
    with pytest.raises(HarbenchError, match=r"different seeds \(0, 1, 2, 3; 0, 1, 2, 3, 4\)"):
        paper_table(fewer, [CLEAN], RULES, complete=True)
    line = next(x for x in written(paper_table(fewer, [CLEAN], RULES), "markdown").splitlines()
                if "CNN" in x)  # fmt: skip
    assert [cell.strip() for cell in line.split("|")][4] == "4"


def test_rows_with_fewer_seeds_are_not_ranked() -> None:
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    frame = frame.assign(rules=frame["rules"].iloc[0])
    best = max(SCORES, key=lambda name: sum(SCORES[name]))
    fewer = frame[~((frame["method"] == best) & (frame["seed"] == 4))]
    table = paper_table(fewer, [CLEAN, MIXED], RULES)
    first = next(iter(table.ranks))
    assert table.short == [best] and first != best and table.ranks[first] == 1.0
    assert best not in table.average and first in table.average
    places = {name: cells[0].rank for name, cells in table.rows.items() if cells[0]}
    assert places[best] == 0 and places[first] == 1
    said = "Without seeds that others have, so not ranked"
    assert any(note.startswith(said) for note in table.notes)


def test_as_many_seeds_are_not_the_same_seeds() -> None:
    """Under folds of people other seeds are other people."""
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    frame = frame.assign(rules=frame["rules"].iloc[0])
    late = frame["method"] == "bad_one"
    other = frame[(late & (frame["seed"] > 2)) | (~late & (frame["seed"] < 2))]
    table = paper_table(other, [CLEAN], RULES)
    assert set(table.short) == set(SCORES) and not table.ranks and not table.average
    assert {cell.rank for cells in table.rows.values() for cell in cells if cell} == {0}
    assert "No seed in common with RobustHAR, so not tested: bad_one." in table.notes
    with pytest.raises(HarbenchError, match=r"different seeds \(0, 1; 3, 4\)"):
        paper_table(other, [CLEAN], RULES, complete=True)
    columns = frame[(frame["scale"] == "clean") == (frame["seed"] < 2)]
    columns = columns[columns["seed"] < 4]
    table = paper_table(columns, [CLEAN, MIXED], RULES)
    assert not table.average and table.unequal


def test_loso_has_other_seeds_on_each_dataset() -> None:
    loso = Condition("loso", "clean", 0.0)
    frame = records(SCORES, datasets=("x", "y"), conditions=(loso,)).assign(split_kind="loso")
    frame = frame[(frame["dataset"] == "x") | (frame["seed"] < 3)]
    assert not paper_table(frame, [loso], RULES, complete=True).holes


def test_without_a_column_of_all_rows_there_are_no_ranks() -> None:
    frame = records(SCORES, datasets=("x", "y"))
    frame = frame[(frame["method"] == "cnn") == (frame["dataset"] == "y")]
    table = paper_table(frame, [CLEAN], RULES)
    assert not table.ranks and not any("No averages" in note for note in table.notes)


def test_columns_of_other_seeds_are_not_averaged() -> None:
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    frame = frame.assign(rules=frame["rules"].iloc[0])
    fewer = frame[~((frame["scale"] == "mixed") & (frame["seed"] > 2))]
    table = paper_table(fewer, [CLEAN, MIXED], RULES)
    assert not table.average and len(table.ranks) == len(SCORES) and not table.short
    assert {result.n for result in table.overall.values()} == {3}
    notes = " ".join(table.notes)
    assert "No averages: columns of one dataset rest on different seeds." in notes
    assert "blocks that a difference rests on" in notes
    assert "average" not in written(table, "csv").splitlines()[0]


def test_footnotes_say_what_was_done() -> None:
    notes = " ".join(paper_table(records(SCORES), [CLEAN], RULES).notes)
    for words in (
        *("5 seeds", "Budget quick", "Nadeau-Bengio", "2 comparisons of the column", "n = 5"),
        *("df = 4", "n_test/n_train = 0.125", "Family: CNN; bad_one", "120 labelled"),
        *("100 labelled validation windows", "each seed redraws split", "Macro F1 (decides): mean"),
    ):
        assert words in notes
    assert "Without a record" not in notes
    rules = Rules(control="robusthar", rows=("cnn", "msgnt"))
    notes = " ".join(paper_table(records(SCORES), [CLEAN], rules).notes)
    assert "Family: CNN; msgnt. Without a record here: msgnt." in notes
    rules = Rules(control="robusthar", test="wilcoxon")
    notes = " ".join(paper_table(records(SCORES), [CLEAN], rules).notes)
    assert "n = 5 the test cannot reach alpha" in notes and "0.125" in notes


def test_sizes_are_never_averaged_over_protocols() -> None:
    frame = records(SCORES, conditions=(CLEAN, Condition("full-labels", "clean", 0.0)))
    full = frame["protocol"] == "full-labels"
    frame.loc[full, ["n_labelled", "n_train"]] = [1800, 1000]
    rules = Rules(control="robusthar", rows=("cnn",))
    conditions = [CLEAN, Condition("full-labels", "clean", 0.0)]
    notes = " ".join(paper_table(frame, conditions, rules).notes)
    assert "120 to 1800 labelled windows" in notes and "n_test/n_train = 0.1 to 0.125" in notes


def test_a_difference_without_a_declared_row_is_explained() -> None:
    rules = Rules(control="robusthar", rows=("timesnet",))
    notes = " ".join(paper_table(records(SCORES), [CLEAN], rules).notes)
    assert "No declared row to test against the control" in notes
    assert "Difference: RobustHAR minus row" in notes and "markers" not in notes


def test_holm_over_the_whole_table_is_stricter() -> None:
    frame = records(SCORES, datasets=("x", "y"))
    column = paper_table(frame, [CLEAN], RULES).rows["cnn"][0]
    whole = paper_table(frame, [CLEAN], Rules(control="robusthar", family="table")).rows["cnn"][0]
    assert column and whole and column.result and whole.result
    assert (column.result.family, whole.result.family) == (2, 4)
    assert whole.result.adjusted_p >= column.result.adjusted_p


def test_without_a_control_nothing_is_tested() -> None:
    table = paper_table(records(SCORES), [CLEAN], Rules())
    assert table.overall == {} and "difference" not in written(table, "markdown")


def test_an_unknown_control_is_an_error() -> None:
    with pytest.raises(HarbenchError, match="Did you mean 'robusthar'"):
        paper_table(records(SCORES), [CLEAN], Rules(control="robusthat"))


@settings(max_examples=15)
@given(st.permutations(range(30)))
def test_the_order_of_records_changes_no_byte(order: list[int]) -> None:
    frame = records(SCORES, conditions=(CLEAN, MIXED))
    shuffled = frame.iloc[order].reset_index(drop=True)
    tables = [paper_table(f, [CLEAN, MIXED], RULES) for f in (frame, shuffled)]
    for form in ("csv", *FORMATS):
        assert len({written(table, form) for table in tables}) == 1


def test_latex_is_escaped() -> None:
    text = written(paper_table(records(SCORES), [CLEAN], RULES), "latex")
    assert r"bad\_one & 70.54 \pm 1.21 \rlap{$^{*}$} & 70.54 " in text
    assert r"\bfseries 96.20 \pm 0.57 " in text and r"\toprule" in text
    assert text.count("{") == text.count("}")
    assert escape("-1.5 [-2.0, -1.0] lstm-5") == "$-$1.5 {[}$-$2.0, $-$1.0] lstm-5"


def test_html_is_escaped() -> None:
    frame = records({**SCORES, "<script>": [1.0] * 5})
    text = written(paper_table(frame, [CLEAN], RULES), "html")
    assert "<script>" not in text and "&lt;script&gt;" in text


def test_csv_holds_all_that_the_test_says() -> None:
    text = written(paper_table(records(SCORES), [CLEAN], RULES), "csv")
    rows = pd.read_csv(io.StringIO(text)).set_index("method")
    assert rows.loc["bad_one", "verdict"] == "better" and rows.loc["bad_one", "n"] == 5
    assert math.isclose(rows.loc["cnn", "difference"], -0.8, abs_tol=1e-9)
    assert np.isnan(rows.loc["robusthar", "p"])


def test_conditions_have_names() -> None:
    assert str(CLEAN) == "clean" and str(MIXED) == "missing-10 (mixed 10 %)"
    assert str(Condition("subject", "clean", 0.0)) == "subject (clean)"


MUTATIONS = {
    "fingerprint": ("other data", "different data under one name"),
    "rules": ('{"split": "random", "rates": [0.2]}', "different rules under one protocol name"),
    "split": ("another split", "different splits for one seed"),
    "truth": ("51 49", "count other windows of a class in one test part"),
    "evaluator": (2, "different versions of the evaluation"),
    "code": ("older code", "different code, which one row never averages"),
    "config": ('{"width": 8}', "different configurations, which one row never averages"),
    "precision": ("16", "different precisions, which one row never averages"),
}


@pytest.mark.parametrize("column", MUTATIONS)
def test_records_that_do_not_fit_together_are_refused(column: str) -> None:
    frame = records(SCORES)
    value, message = MUTATIONS[column]
    odd = frame.index[(frame["method"] == "cnn") & (frame["seed"] == 1)][0]
    frame.loc[odd, column] = value
    with pytest.raises(HarbenchError, match=message) as error:
        paper_table(frame, [CLEAN], RULES)
    assert "dsads/clean/quick/cnn/seed-1.json" in str(error.value)
    assert str(error.value).count("seed-") == 2
    with pytest.raises(HarbenchError, match=message):
        compare(frame, "robusthar", "cnn", "accuracy", "nb-t")


def test_each_seed_of_a_tuned_row_may_have_chosen_for_itself() -> None:
    frame = records(SCORES)
    frame.loc[frame["method"] == "cnn", "tuned"] = 8
    frame.loc[(frame["method"] == "cnn") & (frame["seed"] == 1), "config"] = '{"width": 8}'
    assert paper_table(frame, [CLEAN], RULES).rows["cnn"][0] is not None
    assert compare(frame, "robusthar", "cnn", "accuracy", "nb-t")


def test_a_copy_of_a_record_is_refused() -> None:
    frame = records(SCORES)
    copy = frame[(frame["method"] == "cnn") & (frame["seed"] == 1)].assign(path="copy.json")
    with pytest.raises(HarbenchError, match=r"copy\.json are both seed 1 of cnn on dsads, clean"):
        paper_table(pd.concat([frame, copy]), [CLEAN], RULES)


def test_the_family_is_what_was_declared() -> None:
    rules = Rules(control="robusthar", rows=("bad_one", "not_run"))
    table = paper_table(records(SCORES), [CLEAN], rules)
    cells = {name: row[0].result for name, row in table.rows.items() if row[0]}
    assert cells["bad_one"] and cells["bad_one"].family == 2
    assert cells["bad_one"].adjusted_p == pytest.approx(2 * cells["bad_one"].p)
    assert cells["cnn"] and cells["cnn"].verdict(0.05) == "" and not cells["cnn"].tested
    assert any("not tested: CNN" in note for note in table.notes)
    # What else lies in the folder changes nothing.
    more = records({**SCORES, **{f"variant {i}": [90.0, 91, 90, 91, 90] for i in range(9)}})
    again = paper_table(more, [CLEAN], rules).rows["bad_one"][0]
    assert again and again.result == cells["bad_one"]


def test_what_trains_differently_is_never_pooled() -> None:
    subject, full = Condition("subject", "clean", 0.0), Condition("full-labels", "clean", 0.0)
    for other in (subject, full):
        frame = records(SCORES, conditions=(CLEAN, other))
        table = paper_table(frame, [CLEAN, other], RULES)
        assert len(table.columns) == 2 and not (table.average or table.ranks or table.overall)
        assert any("never pooled" in note for note in table.notes)
        *_, one, two = compare(frame, "robusthar", "cnn", "accuracy", "nb-t")
        assert {one.where, two.where} == {"all of clean", f"all of {other.protocol}"}
        with pytest.raises(HarbenchError, match=f"different splits.*{other.protocol}"):
            pairs(named(frame), "robusthar", "cnn", "accuracy")


def test_two_cuts_of_one_dataset_are_the_same_people_twice() -> None:
    frame = records(SCORES, datasets=("hugadb", "hugadb+step=512"), conditions=(CLEAN, MIXED))
    table = paper_table(frame, [CLEAN], RULES)
    assert len(table.columns) == 2 and not (table.average or table.ranks or table.overall)
    said = "hugadb and hugadb+step=512 are of the same recordings, which are never pooled"
    # A footnote of a printed table gives no advice on options.
    assert any(note.endswith(f"{said}.") for note in table.notes)
    rows = [row.where for row in compare(frame, "robusthar", "cnn", "accuracy", "nb-t")]
    assert rows[4:] == ["all of hugadb", "all of hugadb+step=512"]
    with pytest.raises(HarbenchError, match=r"hugadb\+step=512 are of the same.*--dataset"):
        pairs(named(frame), "robusthar", "cnn", "accuracy")
    with pytest.raises(HarbenchError, match="same recordings"):
        missing(frame)


def test_clean_windows_of_several_protocols_count_once() -> None:
    five = [Condition("missing-5", "clean", 0.0), Condition("missing-5", "mixed", 0.05)]
    ten = [Condition("missing-10", "clean", 0.0), MIXED]
    frame = named(records({"a": [4.0, 8.0], "b": [0, 0]}, conditions=[*five, *ten]))
    frame.loc[(frame["method"] == "a") & (frame["scale"] == "mixed"), "accuracy"] = 0.01
    # (clean + 1 + 1) / 3, not (2 clean + 1 + 1) / 4.
    assert pairs(frame, "a", "b", "accuracy").differences[0].tolist() == [2.0, round(10 / 3, 9)]


def test_what_splits_let_through_is_said() -> None:
    frame = records(SCORES).assign(leakage=0.12, touching=0.95)
    notes = " ".join(paper_table(frame, [CLEAN], RULES).notes)
    assert "training window: dsads 12 %" in notes and "same recording: dsads 95 %" in notes
    assert "Claims rest on splits by subject" in notes
    subject = Condition("subject", "clean", 0.0)
    notes = " ".join(paper_table(records(SCORES, conditions=[subject]), [subject], RULES).notes)
    assert "another fold of the people (people tested in all: dsads 10)" in notes
    assert "Claims rest" not in notes


def test_a_difference_says_how_many_seeds_it_rests_on() -> None:
    frame = records(SCORES)
    frame = frame[~((frame["method"] == "cnn") & (frame["seed"] == 4))]
    notes = " ".join(paper_table(frame, [CLEAN], RULES).notes)
    assert "rests on: CNN 4, bad_one 5." in notes and "n = 4 to 5" in notes


@pytest.mark.parametrize(
    ("column", "other"), [("code", "1" * 64), ("config", '{"width": 8}'), ("precision", "bf16")]
)
def test_results_of_other_code_or_configuration_are_no_mean(column: str, other: str) -> None:
    frame = records({"cnn": [50.0, 70.0]})
    frame.loc[frame["seed"] == 1, column] = other
    text = io.StringIO()
    for table in results_tables(frame):
        Console(file=text, width=80).print(table)
    assert "50.00" in text.getvalue() and "70.00" in text.getvalue()
    assert "60.00" not in text.getvalue() and "other code" in footnote(frame)
    assert "other code" not in footnote(records({"cnn": [50.0, 70.0]}))


def test_results_of_a_search_are_a_mean_of_what_each_seed_chose() -> None:
    frame = records({"cnn": [50.0, 70.0]}).assign(tuned=8)
    frame.loc[frame["seed"] == 1, "config"] = '{"width": 8}'
    text = io.StringIO()
    for table in results_tables(frame):
        Console(file=text, width=80).print(table)
    assert "60.00" in text.getvalue() and "other code" not in footnote(frame)


def test_results_fit_eighty_columns_and_break_no_option() -> None:
    """Longer names go on beside the next conditions, and below them where they are longer still."""
    wide = "msgnet+graph_channels=8+layers=1+periods=3"
    frame = records(
        {"cnn": [70.0] * 5, "msgnet": [60.0, 61, 62, 63, 64]}, conditions=(CLEAN, MIXED)
    )
    frame.loc[frame["method"] == "msgnet", "variant"] = wide
    text = io.StringIO()
    for table in results_tables(frame):
        Console(file=text, width=80).print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    assert all(len(line) <= 80 for line in lines) and "…" not in text.getvalue()
    begin = next(i for i, line in enumerate(lines) if line.startswith("msgnet"))
    named = [line.split()[0] for line in lines[begin : begin + 4]]
    assert "".join(named) == wide
    assert "62.00 ± 1.58" in lines[begin] and lines[begin + 2] == "+layers=1"
