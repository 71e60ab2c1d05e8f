"""The paper's numbers beside ours."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pandas as pd

from harbench.analysis.pairs import named, split_ratio
from harbench.analysis.statistics import corrected_t, resolution

# The paper says "F1" only; its values lie so near to accuracy that they fit the weighted one.
METRIC = {"accuracy": "accuracy", "f1": "f1_weighted"}


def published(item: str) -> pd.DataFrame:
    """The rows of one item of the paper (table1, table2, table3), as printed, in %."""
    text = files("harbench.results") / "published.csv"
    with text.open(encoding="utf-8") as file:
        table = pd.read_csv(file, keep_default_na=False)
    return table[table["item"] == item].reset_index(drop=True)


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
            result = corrected_t(
                [scores], [split_ratio(part)], "", [resolution(float(part["n"].mean()))]
            )
            rows.append(
                (dataset, protocol, method, quantity, scores.mean(), result.low, result.high,
                 len(scores))
            )  # fmt: skip
    return rows
