"""`harbench run`: carry out a grid of runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harbench.cli import complete
from harbench.cli.complete import Results
from harbench.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harbench.running.executors import Executor, News
    from harbench.running.grid import Grid
    from harbench.running.plan import Run
    from harbench.running.prepared import Prepared
    from harbench.running.records import Failure, Record
    from harbench.running.store import ResultStore
    from harbench.training.fit import Progress


Seeds = Annotated[str | None, typer.Option(help="For example 0-4 or 0,2; default: the protocol's.")]
Jobs = Annotated[
    str,
    typer.Option(
        metavar="N|auto", help="Runs side by side; auto: by cores and memory, 1 on a GPU."
    ),
]


class Device(StrEnum):
    """Where to compute; auto takes a GPU if there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class ExecutorName(StrEnum):
    """Who carries the runs out."""

    local = "local"
    ray = "ray"


class PrecisionName(StrEnum):
    """How products are computed."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"


def run(
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method, or a Python file with one (repeatable).", autocompletion=complete.methods
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocol, or a TOML file (repeatable).", autocompletion=complete.protocols
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Dataset (repeatable); spar.", autocompletion=complete.datasets),
    ] = None,
    seeds: Seeds = None,
    budget: Annotated[
        str | None, typer.Option(help="Epochs per stage: paper (the default), quick, smoke.")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Where to compute; auto.")] = None,
    precision: Annotated[PrecisionName | None, typer.Option(help="Of products; fp32.")] = None,
    jobs: Jobs = "auto",
    executor: Annotated[
        ExecutorName, typer.Option(help="Processes of this machine, or tasks of a Ray cluster.")
    ] = ExecutorName.local,
    address: Annotated[
        str, typer.Option(help="Ray cluster: auto (of this machine), local (a new one), HOST:PORT.")
    ] = "auto",
    per_gpu: Annotated[int, typer.Option(min=1, help="Runs that share a GPU.")] = 1,
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="End a run that takes longer as failed."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Configuration key=value (repeatable).")
    ] = None,
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Use what `harbench tune` chose (results/tuning/).")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="All of the grid: methods, protocols, datasets, seeds, budget, device, precision, "
            "settings, tuned (docs/grids.md). What is given here as well takes the file's place.",
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only part I of N, for one of N machines.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="tensorboard[=FOLDER]",
            help="Write loss and validation score of every epoch as well, below runs/.",
        ),
    ] = None,
    results: Results = None,
    force: Annotated[bool, typer.Option("--force", help="Train and test anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Train and test methods under protocols; finished runs are not repeated."""
    from harbench.cli.planned import show_plan
    from harbench.data.store import require_here
    from harbench.options import parse_pairs
    from harbench.running.on_ray import OnRay
    from harbench.running.prepared import Prepared
    from harbench.running.store import ResultStore, default_results

    given = {
        "methods": method,
        "protocols": protocol,
        "datasets": dataset,
        "seeds": seeds,
        "budget": budget,
        "device": device and device.value,
        "precision": precision and precision.value,
        "settings": parse_pairs(settings, where="in --set") if settings else None,
        "tuned": tuned or None,
    }
    store, prepared = ResultStore(results or default_results()), Prepared()
    far = executor is ExecutorName.ray and not dry_run
    grid = _grid(given, config)
    if dry_run:
        for spec in grid.datasets:
            require_here(spec)
    runs = _plan(grid, shard, store, time_limit, prepared, far)
    if not runs:
        say(f"Shard {shard} holds no run: the grid has fewer trainings than shards.")
        return
    if dry_run:
        show_plan(runs, store, parse_jobs(jobs), per_gpu, force, prepared)
        return
    if executor is ExecutorName.ray:
        place: Executor = OnRay(address, parse_jobs(jobs), per_gpu)
    else:
        place = local(jobs, runs, store, per_gpu)
    with _log(log) as listener:
        failures = completed(runs, store, place, force, time_limit, listener)
    _show_results(runs, store)
    if failures:
        count = f"{len(failures)} of {len(runs)} runs failed"
        say(f"{count}; the same command tries them again.")
        raise exit_of(failures)


def _grid(given: Mapping[str, Any], config: Path | None) -> Grid:
    """The grid that the options and the file describe."""
    from harbench.errors import HarbenchError
    from harbench.running.grid import Grid, read_grid

    said = {key: value for key, value in given.items() if value is not None}
    for key in ("methods", "protocols"):
        if config is None and key not in said:
            raise HarbenchError(f"Name a --{key.removesuffix('s')}, or a file with --config.")
    return Grid(**said) if config is None else read_grid(config, said)


def _plan(
    grid: Grid,
    part: str | None,
    store: ResultStore,
    limit: float | None,
    prepared: Prepared,
    far: bool,
) -> list[Run]:
    """The runs of the grid, or of its shard."""
    from harbench.running.plan import left_out, make_plan
    from harbench.running.shards import parse_shard, shard

    wanted = parse_shard(part) if part is not None else None
    runs = make_plan(grid, store.root, apart=True, limit=limit, prepared=prepared, far=far)
    for note in left_out(runs, grid, prepared):
        say(f"note: {note}", err=True)
    return shard(runs, *wanted) if wanted else runs


def _headline(run: Run, record: Record) -> str:
    """The number that the protocol stands for, in words."""
    wanted = run.protocol.headline
    score = next(
        getattr(row, wanted.metric)
        for row in record.conditions
        if (row.scale, row.rate) == (wanted.scale, wanted.rate)
    )
    return f"{wanted.metric} {100 * score:.2f} % ({wanted})"


def local(jobs: str, runs: Sequence[Run], store: ResultStore, per_gpu: int = 1) -> Executor:
    """Worker processes of this machine: so many as `--jobs` says, or as there is room for."""
    from harbench.running.durations import room
    from harbench.running.workers import Workers

    return Workers(parse_jobs(jobs) or room(runs, store, per_gpu).jobs)


def parse_jobs(text: str) -> int | None:
    """What `--jobs` says; None for auto."""
    from harbench.errors import HarbenchError

    if text == "auto":
        return None
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise HarbenchError(f"--jobs {text}: write auto, or a whole number from 1.")
    return int(text)


def completed(
    runs: Sequence[Run],
    store: ResultStore,
    executor: Executor,
    force: bool = False,
    time_limit: float | None = None,
    listener: News | None = None,
) -> list[Failure]:
    """Carry out what has no record, with a display of how far it is; what failed.

    listener: hears of every epoch, too.
    """
    from harbench.cli.console import terminal
    from harbench.cli.progress import Display
    from harbench.running.api import carry_out
    from harbench.running.executors import Orders
    from harbench.running.provenance import command_line
    from harbench.running.records import Failure

    left = [run for run in runs if force or store.find(run) is None]
    failures: list[Failure] = []
    with Display(terminal(), runs, left) as display:
        orders = Orders(command_line(), force, time_limit)
        told = [display.news, *([listener] if listener else [])]

        def news(run: Run, progress: Progress) -> None:
            for each in told:
                each(run, progress)

        for run, outcome in carry_out(runs, store, orders, executor, news):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                note = store.path(run).with_suffix(".failed.json")
                display.ended(run, f"failed: {outcome.error} ({note})", "red")
            else:
                display.ended(run, _headline(run, outcome))
    return failures


@contextmanager
def _log(text: str | None) -> Iterator[News | None]:
    """The listener that `--log` asks for."""
    from harbench.errors import HarbenchError
    from harbench.running.listening import careful, tensorboard

    if text is None:
        yield None
        return
    kind, _, folder = text.partition("=")
    if kind != "tensorboard":
        raise HarbenchError(f"--log {text}: write tensorboard, or tensorboard=FOLDER.")
    with tensorboard(Path(folder or "runs")) as listener:
        yield careful(listener)


def exit_of(failures: Sequence[Failure]) -> typer.Exit:
    """How a command ends of whose runs some failed: 2 where the user can mend one of the causes."""
    return typer.Exit(2 if any(failure.mendable for failure in failures) else 1)


def _show_results(runs: Sequence[Run], store: ResultStore) -> None:
    from harbench.cli.console import terminal
    from harbench.cli.tables import footnote, results_tables
    from harbench.running.api import collect

    console = terminal()
    frame = collect(runs, store)
    if not frame.empty:
        for table in results_tables(frame):
            console.print(table)
        console.print(footnote(frame), style="dim")
        console.print(f"Records: {store.root}", style="dim")
