"""`harbench list`: what there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harbench.method import Method

BROKEN = "broken"


class Kind(StrEnum):
    """What can be listed."""

    methods = "methods"
    datasets = "datasets"
    protocols = "protocols"


def list_(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything.")] = None,
) -> None:
    """List methods, datasets or protocols, a line each."""
    from rich.table import Table
    from rich.text import Text

    from harbench.cli.console import terminal
    from harbench.outside import visible

    console = terminal()
    rows = {Kind.methods: _methods, Kind.datasets: _datasets, Kind.protocols: _protocols}
    for each in [kind] if kind else list(Kind):
        table = Table(box=None, header_style="bold", pad_edge=False)
        header, *lines = rows[each]()
        for title in header:
            table.add_column(title)
        for line in lines:
            table.add_row(*(Text(visible(cell), "red" if cell == BROKEN else "") for cell in line))
        console.print(table, *([] if kind else [""]))


def _methods() -> list[tuple[str, ...]]:
    from harbench import discovery
    from harbench.errors import HarbenchError

    rows: list[tuple[str, ...]] = [("method", "kind", "reference")]
    for name, module in sorted(discovery.modules("methods").items()):
        try:
            # Only what others wrote is imported, to see whether it is broken: torch takes seconds.
            own = module.startswith(discovery.OWN)
            said = discovery.described(name) if own else _imported(name)
            rows.append((name, said.kind, said.reference))
        except HarbenchError as error:
            rows.append((name, BROKEN, str(error)))
    return rows


def _imported(name: str) -> type[Method]:
    from harbench import registry

    return registry.method_class(name)


def _datasets() -> list[tuple[str, ...]]:
    from harbench import registry
    from harbench.data import store
    from harbench.data.fetch import at_hand, own_folders
    from harbench.errors import HarbenchError

    rows: list[tuple[str, ...]] = [("dataset", "prepared", "classes", "sensors", "Hz", "title")]
    own = [f"folder+at={name}" for name in own_folders()]
    for name in [*registry.dataset_names(), *own]:
        try:
            canonical, dataset = store.resolve(name)
            if name in own:
                dataset.open(at_hand(dataset) or Path())
            info = dataset.info
            state = "yes" if store.is_prepared(canonical) else "no"
            sizes = (str(len(info.classes)), str(len(info.sensors)), f"{info.rate:g}")
            rows.append((name, state, *sizes, info.title))
        except HarbenchError as error:
            rows.append((name, BROKEN, "", "", "", str(error)))
    return rows


def _protocols() -> list[tuple[str, ...]]:
    from harbench import registry
    from harbench.errors import HarbenchError

    rows: list[tuple[str, ...]] = [("protocol", "split", "labels", "description")]
    for name in registry.protocol_names():
        try:
            found = registry.protocol(name)
            rows.append((name, found.split, f"{100 * found.label_fraction:g} %", found.description))
        except HarbenchError as error:
            rows.append((name, BROKEN, "", str(error)))
    return rows
