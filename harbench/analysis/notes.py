"""What a table must say about itself, in sentences that may go below it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from harbench.analysis.pairs import METRICS, capital, split_ratio, unpoolable
from harbench.analysis.statistics import CONFIDENCE, Result
from harbench.discovery import title

if TYPE_CHECKING:
    from harbench.analysis.table import PaperTable

SEEDS = {
    "random": "each seed redraws split, labels and weights",
    "subject": "each seed tests another fold of the people",
    "loso": "each seed tests one person",
    "recording": "each seed redraws which recordings are tested",
}
TESTS = {
    "nb-t": "two-sided paired t-test with the Nadeau-Bengio variance correction",
    "signflip": "two-sided sign-flip permutation test, exact up to 15 blocks",
    "wilcoxon": "two-sided Wilcoxon signed-rank test, exact where no two are equal",
}
RANDOM = (
    "Random splits put windows of one take into both parts: where such windows resemble each other "
    "the test finds differences that are not there far more often than alpha (docs/statistics.md). "
    "Claims rest on splits by subject."
)


def footnotes(table: PaperTable, frame: pd.DataFrame, lacking: str = "no record") -> list[str]:
    """Scores, seeds, test, family, sizes, and what the splits let through.

    lacking: why a cell is empty.
    """
    rules = table.rules
    counts = sorted({cell.n for row in table.rows.values() for cell in row if cell})
    seeds = f"{counts[0]} seeds" if len(counts) == 1 else "n seeds"
    budget = frame["budget"].iloc[0]
    notes = [
        f"{capital(rules.metric)} (decides): mean ± standard deviation over {seeds}; "
        f"other scores: mean. In %, higher is better. Budget {budget}. Bold: best; underlined: "
        "second.",
        *seeds_and_sizes(frame),
    ]
    if rules.control:
        notes += _tests(table, frame)
    if table.holes:
        ranks = "; ranks are over the columns that have all rows" if table.ranks else ""
        notes.append(f"-: {lacking} ({len(table.holes)} cells){ranks}.")
    if table.short:
        notes.append(f"Without seeds that others have, so not ranked: {titles(table.short)}.")
    if table.ranks and table.unequal:
        notes.append("No averages: columns of one dataset rest on different seeds.")
    if len(table.columns) > 1 and (reason := unpoolable(frame)):
        notes.append(f"No averages, ranks or overall differences: {reason}.")
    return [*notes, *leaks(frame)]


def seeds_and_sizes(frame: pd.DataFrame) -> list[str]:
    """What a seed is, and what methods learn from, are chosen by and tested on."""
    return [_seeds(frame), _sizes(frame)]


def _seeds(frame: pd.DataFrame) -> str:
    """What a seed is, and how many people all seeds test together."""
    parts = []
    for kind, part in frame.groupby("split_kind", sort=True):
        text = SEEDS[str(kind)]
        if kind in ("subject", "loso"):
            once = part.drop_duplicates(["dataset", "protocol", "seed"])
            people = once.groupby(["dataset", "protocol"])["test_subjects"].sum()
            tested = people.groupby(level="dataset").max()
            text += f" (people tested in all: {_by(tested.items())})"
        parts.append(text)
    return f"Seeds: {'; '.join(parts)}."


def _sizes(frame: pd.DataFrame) -> str:
    """What a model learns from and is chosen by."""
    once = frame.drop_duplicates(["dataset", "protocol", "seed"])
    means = once.groupby(["dataset", "protocol"])[["n_labelled", "n_validation", "n_test"]].mean()
    parts = []
    for name, of in means.round().groupby(level="dataset"):
        labelled, validation, tested = (_span(set(of[column])) for column in of)
        parts.append(
            f"{name}: {labelled} labelled windows, {validation} labelled validation windows, "
            f"{tested} test windows"
        )
    return f"Learnt from, chosen by, tested on: {'; '.join(parts)}."


def leaks(frame: pd.DataFrame) -> list[str]:
    """What test windows have in common with training windows, where there is anything."""
    words = {
        "leakage": "share samples with a training window",
        "touching": "lie next to a training window of the same recording",
    }
    notes = []
    for column, text in words.items():
        shares = 100 * frame.groupby("dataset")[column].max()
        if (shares > 0).any():
            found = _by((n, f"{s:.0f} %") for n, s in shares.items() if s > 0)
            notes.append(f"Test windows that {text}: {found}.")
    if (frame["split_kind"] == "random").any() and (frame["touching"] > 0).any():
        notes.append(RANDOM)
    return notes


def _tests(table: PaperTable, frame: pd.DataFrame) -> list[str]:
    rules = table.rules
    cells = [c.result for row in table.rows.values() for c in row if c and c.result]
    results = [result for result in cells if result.tested]
    outside = [n for n in table.rows if n not in rules.compared(list(table.rows))]
    outside = [n for n in outside if n != rules.control]
    left = [f"Not in the family, so not tested: {titles(outside)}."] if outside else []
    if not results:
        nothing = "No declared row to test against the control (--rows declares others)."
        return [nothing, *left, *_overall(table)]
    family = max(result.family for result in results)
    declared = rules.compared(list(table.rows))
    absent = [name for name in declared if name not in table.rows]
    without = f" Without a record here: {titles(absent)}." if absent else ""
    where = "the column" if rules.family == "column" else "the table"
    adjustment = f", Holm-adjusted over the {family} comparisons of {where}" if family > 1 else ""
    notes = [
        f"* / †: {title(rules.control)} significantly better / worse than the row in "
        f"{METRICS[rules.metric]}, {TESTS[rules.test]} ({_numbers(results, frame)}){adjustment}, "
        f"alpha = {rules.alpha:g}. Family: {titles(declared)}.{without}",
        *left,
    ]
    if rules.test != "nb-t":
        notes.append("This test ignores that training parts overlap; its level is not claimed.")
    return [*notes, *_unpaired(table), *_hopeless(results, rules.alpha), *_overall(table)]


def _unpaired(table: PaperTable) -> list[str]:
    """Rows that stand beside the control and have no seed in common with it."""
    own = table.rows[table.rules.control]
    found = [
        name
        for name, cells in table.rows.items()
        if name != table.rules.control
        and any(a and b and not b.result for a, b in zip(own, cells, strict=True))
    ]
    control = title(table.rules.control)
    return [f"No seed in common with {control}, so not tested: {titles(found)}."] if found else []


def titles(names: Iterable[str]) -> str:
    """Rows as people write them; a title may hold a comma."""
    return "; ".join(map(title, names))


def left_out(names: Iterable[str]) -> str:
    """Rows that lack something and are not shown, "" for none."""
    found = titles(names)
    return f"Left out, because conditions lack: {found}." if found else ""


def _numbers(results: list[Result], frame: pd.DataFrame) -> str:
    n, df = ({getattr(r, key) for r in results if getattr(r, key) == getattr(r, key)}
             for key in ("n", "df"))  # fmt: skip
    parts = [f"n = {_span(n)}", *([f"df = {_span(df)}"] if df else [])]
    ratios = {round(split_ratio(p), 3) for _, p in frame.groupby(["dataset", "protocol"])}
    return ", ".join([*parts, f"n_test/n_train = {_span(ratios)}"])


def _span(values: set[float]) -> str:
    low, high = (f"{end:.3g}" if end < 100 else f"{end:.0f}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _hopeless(results: list[Result], alpha: float) -> list[str]:
    hopeless = [r for r in results if r.verdict(alpha) == "n/a"]
    if not hopeless:
        return []
    first = hopeless[0]
    reason = (
        f"the smallest adjusted p that it can give is {first.smallest_adjusted_p:.3g}; blocks "
        "without a difference do not count"
        if first.p == first.p
        else "it needs two seeds of each dataset"
    )
    return [
        f"n/a: with n = {first.n} the test cannot reach alpha ({reason}); this is not evidence of "
        "equality."
    ]


def _overall(table: PaperTable) -> list[str]:
    if not table.overall:
        return []
    tests = ", ".join(sorted({result.test for result in table.overall.values()}))
    freedom = {round(r.df, 1) for r in table.overall.values() if r.df == r.df}
    df = f", df = {_span(freedom)}" if freedom else ""
    tested = any(result.tested for result in table.overall.values())
    marks = ", Holm-adjusted markers" if tested else ""
    notes = [
        f"Difference: {title(table.rules.control)} minus row over the columns that both have, "
        "rates averaged inside a seed and clean windows counted once, with the corrected t's "
        f"{100 * CONFIDENCE:g} % interval ({tests}{df}{marks}); "
        "conditional on these datasets."
    ]
    own = zip(table.columns, table.rows[table.rules.control], strict=True)
    seeds = {(column.dataset, cell.n) for column, cell in own if cell}
    if {result.n for result in table.overall.values()} != {sum(n for _, n in seeds)}:
        rests = _by((title(n), r.n) for n, r in table.overall.items())
        notes.append(f"(dataset, seed) blocks that a difference rests on: {rests}.")
    return notes


def _by(values: Iterable[tuple[object, object]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values)
