"""How much a method loses per point of missing data: one line per run, compared like scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harbench.analysis.pairs import sizes
from harbench.analysis.statistics import nb_t
from harbench.errors import HarbenchError


def robustness_slopes(frame: pd.DataFrame, metric: str, control: str) -> pd.DataFrame:
    """Points of `metric` lost per 1 % of missing data, and each method's difference to `control`.

    The rates of a run share one trained model, so that a run is one observation: its slope, by
    least squares over all rates. Slopes are paired by (dataset, seed) and tested by `nb_t`; their
    means are those of a mixed linear model with an intercept and a slope per run. A run lacking
    one of its dataset's rates is left out, a method on no dataset of the control's, too.
    frame: rows of several rates, clean ones at rate 0 (repeated ones count once). Columns of the
    result: slope, difference, low, high (95 %), p; the control's difference is 0.
    """
    slopes, ratios, floors = {}, {}, {}
    for dataset, part in frame.groupby("dataset"):
        grid = part.pivot_table(index=["method", "seed"], columns="rate", values=metric).dropna()
        weights = _weights(np.array(grid.columns), str(dataset))
        slopes[dataset] = pd.Series(grid.to_numpy() @ weights, grid.index).unstack("seed")
        ratios[dataset], floor = sizes(part)
        floors[dataset] = floor * float((weights**2).sum()) / 100**2
    rows = {}
    for method in frame["method"].unique():
        means, gaps = [], {}
        for dataset, table in slopes.items():
            if method in table.index and control in table.index:
                gap = (table.loc[method] - table.loc[control]).dropna()
                if len(gap):
                    means.append(table.loc[method, gap.index].mean())
                    gaps[dataset] = gap.to_numpy()
        if gaps:
            found = nb_t(list(gaps.values()), [ratios[d] for d in gaps], [floors[d] for d in gaps])
            rows[method] = (float(np.mean(means)), found.effect, found.low, found.high, found.p)
    if control not in rows:
        raise HarbenchError(f"No run of {control} has every missing rate of its dataset.")
    rows[control] = (rows[control][0], 0.0, 0.0, 0.0, float("nan"))
    columns = ["slope", "difference", "low", "high", "p"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _weights(rates: np.ndarray, dataset: str) -> np.ndarray:
    """What each rate's score counts in the least squares slope."""
    if len(rates) < 3:
        raise HarbenchError(
            "A slope needs at least three missing rates (clean counts as 0), got "
            f"{', '.join(f'{100 * r:g} %' for r in rates) or 'none'} on {dataset}."
        )
    centred = rates - rates.mean()
    return np.asarray(centred / (centred**2).sum())
