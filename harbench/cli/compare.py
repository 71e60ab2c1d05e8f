"""`harbench compare`: two methods, or one method in two results folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.complete import Budget, Datasets, OwnMetric, Protocols, Results
from harbench.cli.reading import chosen
from harbench.cli.table import rules_of

if TYPE_CHECKING:
    import pandas as pd

    from harbench.analysis.table import Rules


def compare(
    a: Annotated[str, typer.Argument(help="A method, or a results folder.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    metric: OwnMetric = None,
    test: Annotated[str | None, typer.Option(help="nb-t, signflip, wilcoxon.")] = None,
    alpha: Annotated[float | None, typer.Option(min=0, max=1, help="Error rate.")] = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    method: Annotated[
        str | None, typer.Option(help="Of two folders: the method to compare.")
    ] = None,
    budget: Budget = None,
    results: Results = None,
) -> None:
    """Differences a - b per condition, with interval and verdict; seeds are paired.

    Metric, test and error rate are those of the records' protocols unless they are given.
    """
    import pandas as pd

    from harbench.analysis.compare import ROPE, compared, verdict
    from harbench.analysis.compare import compare as differences
    from harbench.analysis.notes import leaks
    from harbench.analysis.pairs import require_names, row_names, same_people
    from harbench.cli.console import terminal
    from harbench.cli.sheets import show
    from harbench.errors import HarbenchError

    folders = Path(a).is_dir() and Path(b).is_dir()
    if folders and results is not None:
        raise HarbenchError("Two folders are compared: leave out --results.")
    if not folders and method is not None:
        raise HarbenchError("--method is of two folders; here a and b name the methods.")
    if folders:
        parts = []
        for folder in (a, b):
            part = chosen(
                Path(folder), dataset=dataset, method=method, protocol=protocol, budget=budget
            )
            parts.append(_one_method(part, folder))
        frame = pd.concat(parts, ignore_index=True)
    else:
        frame = chosen(results, dataset=dataset, protocol=protocol, budget=budget)
        require_names(row_names(frame), (a, b))
    frame = _both(frame, a, b)
    rules = _rules(frame, metric, test, alpha)
    rows = differences(frame, a, b, rules.metric, rules.test)
    notes = [
        f"better, worse: a against b, two-sided {rules.test} at alpha {rules.alpha:g}, "
        "Holm-adjusted over the conditions (not 'all ...', which averages conditions inside a "
        "seed, clean windows counted once); unclear: no evidence of a difference; n/a: no result "
        "could have been significant.",
        "lower, upper: 95 % interval of the corrected t, not adjusted. same: probability that a "
        f"and b are within {ROPE} points (Bayesian correlated t-test). ahead: pairs of a seed of a "
        "and one of b in which a is ahead.",
        "Only these two are looked at: of several such comparisons some are significant by chance; "
        "`harbench table` accounts for the rows that the protocol declares.",
        *leaks(frame),
        *([f"Not together: {reason}."] if (reason := same_people(frame)) else []),
    ]
    show(compared(rows, a, b, rules.metric, rules.alpha, notes))
    for row in rows:
        if row.where.startswith("all ") or len(rows) == 1:
            terminal().print(f"{row.where}: {verdict(row, a, b, rules.alpha)}.")


def _both(frame: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """The records of a and b, of protocols that both have; all of theirs where they share none."""
    from harbench.analysis.pairs import row_names

    names = row_names(frame)
    mine = frame[names.isin((a, b))]
    shared = set(frame.loc[names == a, "protocol"]) & set(frame.loc[names == b, "protocol"])
    return mine[mine["protocol"].isin(shared)] if shared else mine


def _rules(frame: pd.DataFrame, metric: str | None, test: str | None, alpha: float | None) -> Rules:
    """How the protocols of the records compare, which must be the same for all of them."""
    from harbench import registry
    from harbench.errors import HarbenchError

    known = set(registry.protocol_names())
    found = {
        name: rules_of(
            registry.protocol(name) if name in known else None,
            metric=metric,
            test=test,
            alpha=alpha,
        )
        for name in sorted(frame["protocol"].unique())
    }
    said = {(r.metric, r.test, r.alpha) for r in found.values()}
    if len(said) > 1:
        raise HarbenchError(
            f"The protocols {', '.join(found)} compare differently: choose one with --protocol, or "
            "give --metric, --test and --alpha."
        )
    return next(iter(found.values()))


def _one_method(frame: pd.DataFrame, folder: str) -> pd.DataFrame:
    """The records of a folder as a method that is named by it."""
    from harbench.errors import HarbenchError

    if frame["method"].nunique() > 1:
        names = ", ".join(sorted(frame["method"].unique()))
        raise HarbenchError(f"{folder} holds several methods ({names}): choose one, --method.")
    return frame.assign(method=folder, variant="")
