"""Options that several verbs share, and what a shell is told of names, without importing any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def methods(incomplete: str) -> list[str]:
    """Registered methods that begin so."""
    from harbench import registry

    return [name for name in registry.method_names() if name.startswith(incomplete)]


def datasets(incomplete: str) -> list[str]:
    """Registered datasets that begin so."""
    from harbench import registry

    return [name for name in registry.dataset_names() if name.startswith(incomplete)]


def protocols(incomplete: str) -> list[str]:
    """Shipped protocols that begin so."""
    from harbench import registry

    return [name for name in registry.protocol_names() if name.startswith(incomplete)]


ONLY = "Only these (repeatable)."
Filter = Annotated[list[str] | None, typer.Option(help=ONLY)]
Methods = Annotated[list[str] | None, typer.Option(help=ONLY, autocompletion=methods)]
Datasets = Annotated[list[str] | None, typer.Option(help=ONLY, autocompletion=datasets)]
Protocols = Annotated[list[str] | None, typer.Option(help=ONLY, autocompletion=protocols)]
SCORES = "accuracy, f1_macro, f1_weighted, balanced_accuracy."
Metric = Annotated[str, typer.Option(help=SCORES)]
OwnMetric = Annotated[str | None, typer.Option(help=SCORES)]
Budget = Annotated[str | None, typer.Option(help="Where records have several.")]
Results = Annotated[
    Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
]
