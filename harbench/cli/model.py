"""`harbench model`: a trained run taken along, and used on new recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harbench.cli.say import say

app = typer.Typer(help="A trained run as a model: export, predict.", no_args_is_help=True)
Format = Annotated[
    str, typer.Option("--format", help="safetensors (for harbench.load) or onnx as well.")
]
Folder = Annotated[Path, typer.Argument(help="Folder that `harbench model export` wrote.")]
File = Annotated[str, typer.Option("--method", help="Python file of a method not registered.")]
Data = Annotated[str, typer.Option("--dataset", help="Python file of a dataset not registered.")]


@app.command()
def export(
    record: Annotated[Path, typer.Argument(help="File of a record (results/.../seed-0.json).")],
    out: Annotated[Path, typer.Option(help="Folder to write, empty or new.")],
    kind: Format = "safetensors",
    method: File = "",
    dataset: Data = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Write the network of a record with all that it needs to classify raw windows.

    It comes from the cache, or is trained again if the cache has lost it; its accuracy on the
    test windows must be the record's.
    """
    from harbench import model
    from harbench.errors import unknown
    from harbench.running.export import export
    from harbench.running.store import require_writable

    if kind not in ("safetensors", "onnx"):
        raise unknown("format", kind, ("safetensors", "onnx"))
    model.require_free(out)
    require_writable(out)
    found = export(record, method, device, dataset)
    model.save(found, out)
    say(
        f"{out}: {found.method.name} for {len(found.info.sensors)} sensors at {found.info.rate:g} "
        f"Hz, {len(found.classes)} classes; accuracy {100 * found.card.scores['accuracy']:.1f} % "
        "on its test windows, as recorded."
    )
    if kind == "onnx":
        from harbench.onnx import write

        # As it was saved: on the CPU, wherever it was trained.
        largest = write(model.load(out, method), out / "model.onnx")
        say(f"{out / 'model.onnx'}: ONNX Runtime differs by at most {largest:.1e}.")


@app.command()
def predict(
    folder: Folder,
    recording: Annotated[
        list[Path],
        typer.Argument(
            help="CSV: time in seconds, <sensor>.<channel> columns; or <recording>.<sensor>.csv of "
            "each device."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file; else the table is printed.")] = None,
    step: Annotated[
        int | None, typer.Option(min=1, help="Steps between windows; half a window.")
    ] = None,
    method: File = "",
) -> None:
    """Say what was done when in a recording: a row per window, with its probabilities."""
    import numpy as np
    import pandas as pd

    from harbench import model
    from harbench.data.devices import taken_apart
    from harbench.data.paths import require_other, writing
    from harbench.data.tables import read_recording
    from harbench.outside import spreadsheet

    if out is not None:
        require_other(out, recording)
    found = model.load(folder, method)
    given = read_recording(recording, found.info, found.card.max_gap)
    if taken_apart(given.values):
        say(
            "note: hardly any row holds two sensors. Are these devices with clocks of their own, "
            "joined in one table? Give the file of each instead, <recording>.<sensor>.csv: labels "
            "of such gaps are worth little.",
            err=True,
        )
    begins, probabilities = found.predict_recording(given, step)
    table = pd.DataFrame(probabilities, columns=list(found.classes)).round(4)
    labels = np.array(found.classes)[probabilities.argmax(axis=1)]
    ends = begins + found.card.window / found.info.rate
    columns = {"begin": begins.round(3), "end": ends.round(3), "label": labels}
    for place, (name, values) in enumerate(columns.items()):
        # A class may have one of these names.
        table.insert(place, name, values, allow_duplicates=True)
    if out is None:
        shown = table.iloc[:, :3].assign(p=probabilities.max(axis=1))
        say(shown.to_string(float_format="{:.3f}".format))
        return
    with writing(out) as temporary:
        spreadsheet(table).to_csv(temporary, index=False)
    say(f"{len(table)} windows written to {out}")
