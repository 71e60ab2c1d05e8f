"""`harbench cache`: what is kept between runs, how to free its space, whether it is whole."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The cache: info, prune, check.", no_args_is_help=True)


@app.command()
def info() -> None:
    """Say where the cache lies, and how much of what is in it."""
    from tabulate import tabulate

    from harbench.data.paths import cache_dir
    from harbench.running.cache import KINDS, entries

    found = list(entries())
    rows = []
    for kind, words in KINDS.items():
        own = [entry for entry in found if entry.kind == kind]
        # A stage is its weights and a note beside them.
        count = sum(kind != "stages" or entry.path.suffix != ".json" for entry in own)
        rows.append([words, count, _size(sum(entry.size for entry in own))])
    rows.append(["together", "", _size(sum(entry.size for entry in found))])
    print(cache_dir())
    print(
        tabulate(rows, tablefmt="plain", disable_numparse=True, colalign=("left", *["right"] * 2))
    )


@app.command()
def prune(
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="DAYS", help="Also stages and predictions unused for so many days."
        ),
    ] = None,
) -> None:
    """Remove what kills have left and what nothing will go on from; all of it can be made again."""
    from harbench.running.cache import KINDS
    from harbench.running.cache import prune as remove

    removed = remove(older_than)
    for entry in removed:
        print(f"{KINDS[entry.kind]}: {entry.path.name} ({_size(entry.size)})")
    freed = _size(sum(entry.size for entry in removed))
    print(f"Removed {len(removed)} files and folders: {freed}.")


@app.command()
def check() -> None:
    """Read all of it and name what is damaged; exit code 1 where something is."""
    from harbench.running.cache import damages

    found = [words for _, words in damages()]
    print("\n".join(found) or "Nothing is damaged.")
    if found:
        raise typer.Exit(1)


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
