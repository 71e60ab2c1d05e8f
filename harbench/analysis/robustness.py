"""Summary numbers of robustness, each a score per seed like any other, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from harbench.analysis.notes import left_out
from harbench.analysis.pairs import METRICS, ORDER, Condition, named, tested, trainings
from harbench.analysis.table import Cell, PaperTable, Rules, paper_table
from harbench.discovery import title
from harbench.errors import HarbenchError

Floats = NDArray[np.float64]
CLEAN = ("clean", 0.0)
# Points that a method loses at the rate that is looked for.
LOST = 5
AREA, RATE, WORST = "area", f"{LOST} points lost at", "worst"


def area(rates: Floats, scores: Floats) -> Floats:
    """(...,) mean height of the lines through scores (..., R) at increasing rates (R,)."""
    return np.asarray(trapezoid(scores, rates, axis=-1) / (rates[-1] - rates[0]))


def rate_lost(rates: Floats, scores: Floats, drop: float) -> Floats:
    """(...,) the first rate at which a line through scores (..., R) is `drop` below its start.

    NaN where it never is.
    """
    below = scores <= scores[..., :1] - drop + 1e-12
    found = np.full(scores.shape[:-1], np.nan)
    for index in np.argwhere(below.any(axis=-1)):
        line, at = scores[tuple(index)], int(below[tuple(index)].argmax())
        share = (line[at - 1] - (line[0] - drop)) / (line[at - 1] - line[at])
        found[tuple(index)] = rates[at - 1] + share * (rates[at] - rates[at - 1])
    return found


def curve_scales(frame: pd.DataFrame) -> list[str]:
    """The scales that have a curve: two rates or more beside clean."""
    counts = frame[frame["rate"] > 0].groupby("scale")["rate"].nunique()
    found = [str(scale) for scale in counts.index[counts > 1]]
    return sorted(found, key=ORDER.__getitem__)


def summary_table(
    frame: pd.DataFrame, scales: Sequence[str], rules: Rules, complete: bool = False
) -> PaperTable:
    """Area, rate of a loss of 5 points and worst condition, compared like scores; never pooled.

    scales: whose curves are summarised. Protocols that train alike make one curve, others columns
    of their own. Raises HarbenchError where no scale has two rates beside clean.
    """
    data = named(frame)
    data = data.assign(rules=trainings(data))
    parts = [
        numbers
        for _, alike in data.groupby("rules", sort=True)
        for _, part in alike.groupby("dataset", sort=True)
        for numbers in _numbers(part, ", ".join(sorted(alike["protocol"].unique())), rules, scales)
    ]
    if not parts:
        raise HarbenchError(
            f"No curve over the missing rate of {', '.join(scales) or 'any scale'}: it takes "
            "clean windows and two rates. Run the protocols missing-5 and missing-10, say."
        )
    numbers = pd.concat(parts, ignore_index=True)
    keys = zip(numbers["protocol"], numbers["scale"], numbers["rate"], strict=True)
    conditions = [Condition(*key) for key in dict.fromkeys(keys)]
    table = paper_table(numbers, conditions, rules, complete, pool=False)
    table.rows = {name: [_told(cell) for cell in row] for name, row in table.rows.items()}
    table.notes += _definitions(data, scales, rules)
    if lacking := left_out(sorted(set(data["name"]) - set(table.rows))):
        table.notes.append(lacking)
    return table


def _told(cell: Cell | None) -> Cell | None:
    """The cell with its difference to the control written beside it."""
    if cell is None or cell.result is None or np.isnan(cell.result.low):
        return cell
    found = cell.result
    words = f"{found.effect:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
    return replace(cell, note="; ".join(filter(None, [cell.note, words])))


def _numbers(
    part: pd.DataFrame, protocol: str, rules: Rules, scales: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Frames of summary numbers of one dataset: a row per method and seed with all conditions."""
    grids = {
        metric: part.pivot_table(index=["name", "seed"], columns=["scale", "rate"], values=metric)
        for metric in METRICS
    }
    whole = grids[rules.metric].dropna().index
    grids = {metric: grid.loc[whole] for metric, grid in grids.items()}
    conditions = [(str(each[0]), float(each[1])) for each in grids[rules.metric].columns]
    first = part.drop_duplicates(["name", "seed"]).set_index(["name", "seed"]).loc[whole]
    first = first.reset_index().assign(protocol=protocol, rate=0.0, note="")
    # Replayed gaps are a loss, too, but have no rate.
    losses = [each for each in conditions if each[1] > 0 or each[0] == "replay"]
    curves = [scale for scale in scales if sum(name == scale for name, _ in losses) > 1]
    if not curves or CLEAN not in conditions or first.empty:
        return
    for scale in curves:
        rates = sorted(rate for name, rate in losses if name == scale)
        yield from _of_curve(first, grids, scale, rates, rules.metric)
    worst = grids[rules.metric][losses].groupby("name").mean().idxmin(axis=1)
    at = [worst[name] for name in first["name"]]
    scores = {m: [grid[key].iloc[i] for i, key in enumerate(at)] for m, grid in grids.items()}
    yield first.assign(scale=WORST, **scores).assign(note=[tested(*key) for key in at])


def _of_curve(
    first: pd.DataFrame,
    grids: Mapping[str, pd.DataFrame],
    scale: str,
    rates: Sequence[float],
    metric: str,
) -> Iterator[pd.DataFrame]:
    """Area and rate of a loss. first: the rows of `grids` as records, whose scores they replace."""
    steps = np.array([0.0, *rates])
    keys = [CLEAN, *((scale, rate) for rate in rates)]
    lines = {name: grid[keys].to_numpy() for name, grid in grids.items()}
    areas = {name: area(steps, line) for name, line in lines.items()}
    yield first.assign(scale=f"{AREA}, {scale}", **areas)
    lost = {name: rate_lost(steps, line, LOST / 100) for name, line in lines.items()}
    never = pd.Series(np.isnan(lost[metric]))
    filled = {name: np.nan_to_num(rate, nan=steps[-1]) for name, rate in lost.items()}
    said = {name: _never(flags, rates[-1]) for name, flags in never.groupby(first["name"])}
    yield first.assign(scale=f"{RATE}, {scale}", **filled).assign(note=first["name"].map(said))


def _never(flags: pd.Series, last: float) -> str:
    """How many seeds of a method never lose the points, "" if none."""
    count = int(flags.sum())
    return f"> {100 * last:g} in {count} of {len(flags)} seeds" if count else ""


def _definitions(data: pd.DataFrame, scales: Sequence[str], rules: Rules) -> list[str]:
    rates = sorted({100 * rate for rate in data.loc[data["scale"].isin(scales), "rate"]})
    name = METRICS[rules.metric]
    paired = [f"In brackets: {title(rules.control)} minus row, paired, with the corrected t's 95 % "
              "interval, not adjusted."] if rules.control else []  # fmt: skip
    return [
        f"{AREA}: mean {name} between 0 and the largest missing rate, along the lines that join "
        f"the scores at 0 (clean) and the measured rates ({', '.join(f'{r:g}' for r in rates)} %).",
        f"{RATE}: the first missing rate (%) on these lines where {name} is {LOST} points below "
        "the same seed's clean score; a seed that never loses them counts with the largest rate.",
        f"{WORST}: of all conditions with losses the one with the lowest mean over seeds.",
        "A seed counts if it has all conditions. Columns are compared each for itself; rows stand "
        "by their mean rank over them.",
        *paired,
    ]
