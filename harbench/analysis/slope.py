"""How much a method loses per point of missing data: a mixed linear model."""

from __future__ import annotations

import warnings

import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from harbench.errors import HarbenchError


def robustness_slopes(frame: pd.DataFrame, metric: str, control: str) -> pd.DataFrame:
    """Points of `metric` lost per 1 % of missing data, and each method's difference to `control`.

    Fits score ~ method * rate with a random intercept per (dataset, seed), and one per dataset
    where there are several (statsmodels MixedLM). frame: rows of several rates, clean ones at rate
    0. Columns of the result: slope, difference, low, high (95 %), p; the control's difference is 0.
    """
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
    several = data["dataset"].nunique() > 1
    formula = f"score ~ C(method, Treatment({control!r})) * rate"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = smf.mixedlm(
            formula,
            data,
            groups="dataset" if several else "block",
            vc_formula={"block": "0 + C(block)"} if several else None,
        )
        fitted = model.fit(reml=True)
    intervals = fitted.conf_int()
    base = float(fitted.params["rate"])
    rows = {control: (base, 0.0, 0.0, 0.0, float("nan"))}
    for method in data["method"].unique():
        key = f"C(method, Treatment({control!r}))[T.{method}]:rate"
        if key in fitted.params:
            low, high = (float(v) for v in intervals.loc[key])
            change = float(fitted.params[key])
            rows[method] = (base + change, change, low, high, float(fitted.pvalues[key]))
    columns = ["slope", "difference", "low", "high", "p"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.attrs["converged"] = bool(fitted.converged)
    return table
