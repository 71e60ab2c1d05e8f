"""The paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import pandas as pd

from harbench.analysis.pairs import named, sizes, tested
from harbench.analysis.sheet import HOLE, Lane, Piece, Sheet
from harbench.analysis.statistics import mean_score
from harbench.discovery import title

# The paper says "F1" only; its values lie so near to accuracy that they fit the weighted one.
METRIC = {"accuracy": "accuracy", "f1": "f1_weighted"}
WORDS = {"accuracy": "accuracy", "f1": "weighted F1"}
CAPTIONS = {"table2": "Table 2: clean windows", "table3": "Table 3: windows with missing data"}


def published(item: str) -> pd.DataFrame:
    """The rows of one item of the paper (table1, table2, table3), as printed, in %."""
    text = files("harbench.results") / "published.csv"
    with text.open(encoding="utf-8") as file:
        table = pd.read_csv(file, keep_default_na=False)
    return table[table["item"] == item].reset_index(drop=True)


def of_tables(dataset: str) -> dict[str, float]:
    """Published accuracies of RobustHAR in %, by test condition: Tables 2 and 3."""
    given = pd.concat([published("table2"), published("table3")])
    mine = given[(given["method"] == "robusthar") & (given["dataset"] == dataset)]
    mine = mine[mine["quantity"] == "accuracy"]
    rates = [float(rate) / 100 for rate in mine["missing_percent"]]
    names = [tested("mixed" if rate else "clean", rate) for rate in rates]
    return dict(zip(names, map(float, mine["value"]), strict=True))


def beside(item: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Each published score of an item with ours, the difference, and our 95 % interval.

    Our score is the mean over seeds at the protocol's mixed (or clean) condition; its interval has
    the Nadeau-Bengio correction, because the seeds' splits overlap. `inside`: whether the
    published value lies in it. Rows of datasets and methods that only we have follow at the end,
    without a published value.
    """
    wanted = published(item)
    ours = [] if frame.empty else _ours(frame, sorted(wanted["quantity"].unique()))
    columns = ["dataset", "protocol", "method", "quantity", "ours", "low", "high", "n"]
    found = pd.DataFrame(ours, columns=columns)
    found = found[found["protocol"].isin(wanted["protocol"])]
    keys = ["dataset", "protocol", "method", "quantity"]
    given = wanted[[*keys, "value"]].rename(columns={"value": "published"})
    table = given.merge(found, on=keys, how="outer", sort=True)
    table["published"] = pd.to_numeric(table["published"])
    table["difference"] = table["ours"] - table["published"]
    table["inside"] = ""
    known = table["low"].notna() & table["published"].notna()
    within = table.loc[known, "published"].between(table["low"][known], table["high"][known])
    table.loc[known, "inside"] = np.where(within, "yes", "no")
    return table


def _ours(frame: pd.DataFrame, quantities: list[str]) -> list[tuple[object, ...]]:
    data = named(frame)
    data = data[data["scale"].isin(("clean", "mixed"))]
    # A missing-R protocol tests clean windows, too; its own number is the mixed one.
    data = data[(data["protocol"] == "clean") | (data["scale"] == "mixed")]
    rows: list[tuple[object, ...]] = []
    for (dataset, protocol, method), part in data.groupby(["dataset", "protocol", "name"]):
        for quantity in quantities:
            scores = 100 * part[METRIC[quantity]].to_numpy()
            ratio, floor = sizes(part)
            result = mean_score([scores], [ratio], [floor])
            rows.append(
                (dataset, protocol, method, quantity, scores.mean(), result.low, result.high,
                 len(scores))
            )  # fmt: skip
    return rows


def side_by_side(item: str, frame: pd.DataFrame, datasets: Sequence[str] = ()) -> Sheet:
    """Methods by datasets as in the paper: published / ours [our 95 % interval], in %.

    datasets: only these; all where none are given.
    Columns and rows that nobody has are left out; the paper's order comes first.
    """
    table = beside(item, frame)
    table = table[table["dataset"].isin(list(datasets))] if datasets else table
    given = published(item)
    order = {name: place for place, name in enumerate(dict.fromkeys(given["method"]))}
    methods = sorted(table["method"].unique(), key=lambda name: (order.get(name, 99), name))
    places = {name: place for place, name in enumerate(dict.fromkeys(given["dataset"]))}
    several = given["protocol"].nunique() > 1
    lanes = []
    keys = ["dataset", "protocol", "quantity"]
    found = {tuple(map(str, key)): part for key, part in table.groupby(keys)}
    for dataset, protocol, quantity in sorted(
        found, key=lambda key: (places.get(key[0], 99), key[0], len(key[1]), key[1:])
    ):
        part = found[dataset, protocol, quantity]
        words = f"{protocol.removeprefix('missing-')} % missing" if several else WORDS[quantity]
        sides = [side for side in ("published", "ours") if part[side].notna().any()]
        cells = {str(row["method"]): row for _, row in part.iterrows()}
        pieces = [_told(cells.get(name), sides) for name in methods]
        lanes.append(Lane(" / ".join(sides), pieces, (str(dataset), words)))
    known = table.loc[table["ours"].notna(), "n"]
    seeds = f"{known.min():.0f} to {known.max():.0f} seeds" if len(known) else "no record yet"
    notes = [
        f"Ours ({seeds}): mean with 95 % interval (Nadeau-Bengio correction); with missing data "
        "the condition mixed. The paper says F1 only, which is taken for the weighted one.",
        "*: the published value lies outside our interval. The paper gives neither deviations nor "
        "its mixture of scales.",
    ]
    score = "accuracy" if several else "accuracy and F1"
    return Sheet("method", list(map(title, methods)), lanes,
                 f"{CAPTIONS[item]}, {score} in %.", notes)  # fmt: skip


def _told(row: pd.Series | None, sides: list[str]) -> Piece:
    """A cell with the sides that its column has."""
    if row is None:
        return Piece(HOLE)
    published = "" if row["published"] != row["published"] else f"{row['published']:.2f}"
    ours = "" if row["ours"] != row["ours"] else f"{row['ours']:.2f}"
    if ours and row["low"] == row["low"]:
        ours += f" [{row['low']:.1f}, {row['high']:.1f}]"
    texts = {"published": published or HOLE, "ours": ours or HOLE}
    return Piece(
        " / ".join(texts[side] for side in sides), mark="*" if row["inside"] == "no" else ""
    )
