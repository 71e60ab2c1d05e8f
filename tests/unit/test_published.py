"""The paper's tables beside ours: what stands where, and what lies outside our interval."""

from __future__ import annotations

import pandas as pd
import pytest
from unit.frames import CLEAN, MIXED, records

from harbench.analysis.pairs import Condition
from harbench.analysis.published import beside, of_tables, published, side_by_side

LIGHT = Condition("missing-5", "mixed", 0.05)
METHODS = ["Reformer", "Informer", "TimesNet", "MSGNet", "SimMTM", "MaskCAE", "STD-MAE",
           "ST-MAE", "RobustHAR"]  # fmt: skip


def texts(item: str, frame: pd.DataFrame, *datasets: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Column -> row -> cell with its mark."""
    sheet = side_by_side(item, frame, datasets)
    return {
        (*lane.above, lane.title): {
            row: piece.text + piece.mark for row, piece in zip(sheet.rows, lane.pieces, strict=True)
        }
        for lane in sheet.lanes
    }


def test_the_published_accuracies_of_robusthar_by_condition() -> None:
    assert of_tables("opportunity") == {
        "clean": 93.72, "mixed 5 %": 92.96, "mixed 10 %": 91.37, "mixed 15 %": 88.67,
    }  # fmt: skip
    assert of_tables("dsads") == {}


@pytest.mark.parametrize(("item", "columns"), [("table2", 6), ("table3", 9)])
def test_without_records_the_table_is_the_paper_s(item: str, columns: int) -> None:
    found = texts(item, pd.DataFrame())
    assert len(found) == columns
    assert all(list(cells) == METHODS for cells in found.values())
    assert {key[-1] for key in found} == {"published"}
    numbers = sorted(float(text) for cells in found.values() for text in cells.values())
    assert numbers == sorted(map(float, published(item)["value"]))


def test_ours_stands_beside_the_published_value_with_its_interval() -> None:
    frame = records({"timesnet": [88.0, 90.0], "mine": [50.0, 60.0]}, ["opportunity"])
    cells = texts("table2", frame, "opportunity")["opportunity", "accuracy", "published / ours"]
    assert cells["Reformer"].endswith(" / -") and cells["mine"].startswith("- / 55.00 [")
    # Two seeds: t of one degree of freedom, variance 2 (1/2 + 100/800).
    margin = 12.7062 * (2 * (0.5 + 0.125)) ** 0.5
    assert cells["TimesNet"] == f"91.05 / 89.00 [{89 - margin:.1f}, 100.0]", "no score is above"
    assert list(cells)[:9] == METHODS and list(cells)[9:] == ["mine"]


@pytest.mark.parametrize(("scores", "mark"), [((91.0, 91.1), ""), ((80.0, 80.1), "*")])
def test_a_star_stands_where_the_published_value_is_outside(
    scores: tuple[float, float], mark: str
) -> None:
    frame = records({"timesnet": scores}, ["opportunity"])
    cells = texts("table2", frame)["opportunity", "accuracy", "published / ours"]
    assert cells["TimesNet"].endswith(f"]{mark}")


def test_only_the_condition_that_an_item_has_is_taken() -> None:
    """A missing-R protocol also tests clean windows: they are no number of Table 3."""
    both = [LIGHT, Condition("missing-5", "clean", 0.0)]
    frame = records({"timesnet": [80.0, 82.0]}, ["opportunity"], both)
    frame.loc[frame["scale"] == "clean", "accuracy"] = 0.99
    row = beside("table3", frame).query("ours == ours").squeeze()
    assert (row["protocol"], row["ours"], row["published"]) == ("missing-5", 81.0, 90.26)
    assert row["difference"] == pytest.approx(81 - 90.26) and row["n"] == 2
    assert beside("table2", frame)["ours"].isna().all()


def test_a_dataset_that_only_we_have_has_no_published_column() -> None:
    frame = records({"cnn": [80.0, 82.0]}, ["dsads"], [CLEAN, MIXED])
    found = texts("table2", frame, "dsads")
    assert [key[-1] for key in found] == ["ours", "ours"]
    assert {key[1] for key in found} == {"accuracy", "weighted F1"}
    assert [list(cells) for cells in found.values()] == [["CNN"], ["CNN"]]
    assert [key[1] for key in texts("table3", frame, "dsads")] == ["10 % missing"]


def test_one_seed_has_no_interval() -> None:
    frame = records({"timesnet": [80.0]}, ["opportunity"])
    cells = texts("table2", frame)["opportunity", "accuracy", "published / ours"]
    assert cells["TimesNet"] == "91.05 / 80.00"
