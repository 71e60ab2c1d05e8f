"""`harbench data`: list, inspect, prepare and fetch datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

app = typer.Typer(
    help="Datasets: list, info, describe, prepare, fetch, audit, gaps, show.", no_args_is_help=True
)
# A complete window is drawn rather than one with over 95 % missing, which is 0.7 from a quarter.
COMPLETE = 0.7
# Series among which the one for the picture of a clock is chosen.
SERIES = 30
Name = Annotated[str, typer.Argument(help="Dataset, for example dsads or bodysim+subjects=20.")]


@app.command("list")
def list_() -> None:
    """List the datasets, a line each."""
    from harbench.cli.list_ import Kind
    from harbench.cli.list_ import list_ as show

    show(Kind.datasets)


@app.command()
def info(name: Name) -> None:
    """Show a dataset: windows per class and subject, sensors, missing share, licence."""
    from harbench.cli.console import terminal
    from harbench.cli.describe import describe
    from harbench.data import store

    dataset = store.load(name)
    terminal().print(describe(dataset, store.notes(dataset.spec)))


@app.command()
def describe(
    name: Name,
    croissant: Annotated[
        bool, typer.Option("--croissant", help="As Croissant JSON-LD, on standard output.")
    ] = False,
) -> None:
    """Describe a dataset for other people or machines: facts and files, no signal."""
    import json

    from harbench.cli.console import terminal
    from harbench.cli.describe import describe as words
    from harbench.data import store
    from harbench.data.croissant import croissant as metadata

    dataset = store.load(name)
    if croissant:
        found = metadata(dataset, store.folder_of(dataset.spec))
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        terminal().print(words(dataset, store.notes(dataset.spec)))


@app.command()
def prepare(
    name: Name,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Zip or folder with the raw data; remembered from then on."),
    ] = None,
) -> None:
    """Read the raw data, cut it into windows and store them in the cache."""
    import time

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    from harbench.cli.console import terminal
    from harbench.data import store
    from harbench.outside import visible

    begun = time.perf_counter()
    words = TextColumn("{task.description}", markup=False)
    console = terminal(stderr=True)
    with Progress(words, BarColumn(), TaskProgressColumn(), console=console, transient=True) as bar:
        task = bar.add_task("reading", total=1.0)

        def report(recording: str, share: float) -> None:
            bar.update(task, completed=share, description=f"read {visible(recording)}")

        dataset = store.prepare(name, source, report)
    seconds = time.perf_counter() - begun
    say(
        f"{dataset.spec}: {len(dataset)} windows of {dataset.shape} in {seconds:.1f} s, "
        f"fingerprint {dataset.fingerprint[:12]}"
    )
    for note in store.notes(dataset.spec):
        say(note)


@app.command()
def fetch(name: Name) -> None:
    """Download the official archive; its sha256 is recorded and checked afterwards."""
    from harbench.data import store
    from harbench.data.fetch import download

    say(str(download(store.resolve(name)[1])))


@app.command()
def audit(name: Name) -> None:
    """How honest each kind of split is: shared samples, and what a nearest neighbour gains."""
    from rich.table import Table

    from harbench.cli.console import terminal
    from harbench.data import store
    from harbench.data.audit import audit as look

    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = ("split", "training", "test", "shared samples %", "copies %", "1-NN accuracy %")
    for title in columns:
        table.add_column(title, justify="left" if title == "split" else "right")
    dataset = store.load(name)
    found = look(dataset)
    for row in found:
        if row.problem:
            table.add_row(row.kind, *["-"] * (len(columns) - 1))
            continue
        sizes = (f"{row.train:.0f}", f"{row.test:.0f}")
        shares = (f"{100 * share:.1f}" for share in (row.shared, row.copied, row.nearest))
        table.add_row(row.kind, *sizes, *shares)
    console = terminal()
    console.print(table)
    for row in found:
        if row.problem:
            console.print(f"{row.kind}: {row.problem}", style="dim")
    for note in store.notes(dataset.spec):
        console.print(note, style="yellow")
    console.print(
        "Means over three seeds. Copies: test windows equal to a training window, or half of which "
        "lies in training windows of other recordings. Nearest neighbour on mean and deviation of "
        "each channel, all labels: where it is much better under `random` than under `subject` or "
        "`recording`, a random split measures memory more than recognition.",
        style="dim",
    )


@app.command()
def gaps(
    name: Name,
    out: Annotated[Path, typer.Option(help="JSON file; a protocol names it: replay = ...")],
) -> None:
    """Export where values are missing, without any signal: for the scale `replay`."""
    from harbench.data import store
    from harbench.data.gap_export import export, write_gaps

    found = export(store.load(name))
    write_gaps(found, out)
    said = found.statistics
    say(
        f"{out}: {said.affected} of {said.windows} windows of {found.dataset} have gaps, "
        f"{len(found.masks)} different ones"
    )


@app.command()
def show(
    name: Name,
    out: Annotated[Path, typer.Option(help="PDF, PNG or SVG file.")],
    sensor: Annotated[
        str | None, typer.Option(help="Whose signals, by name; else the one with most missing.")
    ] = None,
    clock: Annotated[
        bool,
        typer.Option(
            "--clock", help="Instead: the raw stamps, the repaired clock, the signal on both."
        ),
    ] = False,
) -> None:
    """Draw the sensors on a body, and a window of every class with its missing parts shaded."""
    from harbench.cli.figure import write_figure

    write_figure(_clock(name, sensor) if clock else _windows(name, sensor), out)


def _clock(name: str, sensor: str | None) -> Figure:
    """Of the first series (of a sensor), the one whose stamps are latest."""
    import itertools

    import numpy as np

    from harbench.analysis.figures.clock import clock as draw
    from harbench.data import fetch, store
    from harbench.data.clock import sampling_times
    from harbench.errors import HarbenchError

    spec, dataset = store.resolve(name)
    source = None if dataset.embedded else fetch.locate(dataset, None)
    if source is not None:
        dataset.open(source)
    best, latest = None, -1.0
    found = (s for s in dataset.stamped(source) if sensor is None or sensor in s.name.split("."))
    for series in itertools.islice(found, SERIES):
        times, kept = sampling_times(series.stamps)
        late = float(np.max(series.stamps[kept] - times))
        if late > latest:
            best, latest = (series.name, series.stamps[kept], times, series.values[kept]), late
    if best is None:
        whose = "" if sensor is None else f" of sensor {sensor!r}"
        raise HarbenchError(f"{spec} has no series{whose} with time stamps of its own.")
    return draw(*best)


def _windows(name: str, sensor: str | None) -> Figure:
    import numpy as np

    from harbench.analysis.figures.dataset import Example
    from harbench.analysis.figures.dataset import show as draw
    from harbench.cli.describe import natural_gaps
    from harbench.data import store
    from harbench.errors import unknown

    dataset = store.load(name)
    info = dataset.info
    names = [each.name for each in info.sensors]
    if sensor is not None and sensor not in names:
        raise unknown(f"sensor of {dataset.spec}", sensor, names)
    if sensor is None:
        share = natural_gaps(dataset)[0].mean(axis=1)
        # A sensor that is wholly missing would give an empty picture.
        chosen = int(np.argmax(np.where(share < 1, share, -1)))
    else:
        chosen = names.index(sensor)
    examples = []
    for label in np.unique(dataset.labels):
        rows = np.flatnonzero(dataset.labels == label)
        gaps = np.isnan(dataset.windows[rows, :, chosen]).mean(axis=(1, 2))
        # One with a gap where there is one, but with most of its signal; the middle one of equals,
        # as the first often shows how somebody starts the device.
        away = np.where(gaps > 0, abs(gaps - 0.25), COMPLETE)
        equals = rows[away == away.min()]
        best = equals[len(equals) // 2]
        examples.append(Example(info.classes[label], np.array(dataset.windows[best, :, chosen])))
    sensors = {each.name: each.position for each in info.sensors}
    shown = info.sensors[chosen].name
    return draw(info.title, sensors, examples, info.rate, shown, info.channels)
