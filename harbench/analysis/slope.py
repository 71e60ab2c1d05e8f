"""How much a method loses per point of missing data: a mixed linear model."""

from __future__ import annotations

import warnings

import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from harbench.errors import HarbenchError


def robustness_slopes(frame: pd.DataFrame, metric: str, control: str) -> pd.DataFrame:
    """Points of `metric` lost per 1 % of missing data, and each method's difference to `control`.

    Fits score ~ method * rate with random intercepts per (dataset, seed) and per (method, dataset,
    seed), because the rates of a run share one trained model, and one per dataset where there are
    several (statsmodels MixedLM). Intervals and p take the t distribution with one degree less
    than there are (dataset, seed) blocks, since few of them carry the model. Slopes of single
    runs are taken to be equal but for noise: where they differ, intervals are too narrow.
    frame: rows of several rates, clean ones at rate 0 (repeated ones count once). Columns of the
    result: slope, difference, low, high (95 %), p; the control's difference is 0.
    """
    keys = ["method", "dataset", "seed", "rate"]
    frame = frame.groupby(keys)[metric].mean().reset_index()
    rates = sorted(frame["rate"].unique())
    if len(rates) < 3:
        raise HarbenchError(
            "A slope needs at least three missing rates (clean counts as 0), got "
            f"{', '.join(f'{100 * r:g} %' for r in rates)}."
        )
    data = pd.DataFrame(
        {
            "score": 100 * frame[metric],
            "rate": 100 * frame["rate"],
            "method": frame["method"],
            "dataset": frame["dataset"],
            "block": frame["dataset"] + " " + frame["seed"].astype(str),
        }
    )
    data["run"] = data["method"] + " " + data["block"]
    several = data["dataset"].nunique() > 1
    formula = f"score ~ C(method, Treatment({control!r})) * rate"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = smf.mixedlm(
            formula,
            data,
            groups="dataset" if several else "block",
            vc_formula={
                "run": "0 + C(run)",
                **({"block": "0 + C(block)"} if several else {}),
            },
        )
        fitted = model.fit(reml=True)
    freedom = data["block"].nunique() - 1
    quantile = float(stats.t.ppf(0.975, freedom)) if freedom else float("nan")
    base = float(fitted.params["rate"])
    rows = {control: (base, 0.0, 0.0, 0.0, float("nan"))}
    for method in data["method"].unique():
        key = f"C(method, Treatment({control!r}))[T.{method}]:rate"
        if key in fitted.params:
            change, error = float(fitted.params[key]), float(fitted.bse[key])
            p = 2 * float(stats.t.sf(abs(change) / error, freedom)) if freedom else float("nan")
            margin = quantile * error
            rows[method] = (base + change, change, change - margin, change + margin, p)
    columns = ["slope", "difference", "low", "high", "p"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.attrs["converged"] = bool(fitted.converged)
    return table
