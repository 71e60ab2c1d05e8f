"""`harbench data`: list, inspect, prepare and fetch datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Datasets: list, info, prepare, fetch.", no_args_is_help=True)
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
    from rich.console import Console

    from harbench.cli.describe import describe
    from harbench.data import store

    Console(highlight=False).print(describe(store.load(name)))


@app.command()
def prepare(
    name: Name,
    source: Annotated[
        Path | None, typer.Option("--from", help="Zip file or folder with the raw data.")
    ] = None,
) -> None:
    """Read the raw data, cut it into windows and store them in the cache."""
    import time

    from rich.console import Console

    from harbench.data import store

    begun, console = time.perf_counter(), Console(stderr=True)
    with console.status("reading", spinner="line") as status:
        dataset = store.prepare(name, source, lambda recording: status.update(f"read {recording}"))
    seconds = time.perf_counter() - begun
    typer.echo(
        f"{dataset.spec}: {len(dataset)} windows of {dataset.shape} in {seconds:.1f} s, "
        f"fingerprint {dataset.fingerprint[:12]}"
    )


@app.command()
def fetch(name: Name) -> None:
    """Download the official archive; its sha256 is recorded and checked afterwards."""
    from harbench.data import store
    from harbench.data.fetch import download

    typer.echo(str(download(store.resolve(name)[1])))
