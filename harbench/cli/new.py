"""`harbench new`: a working file to begin with."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from harbench.errors import HarbenchError

app = typer.Typer(help="Begin a new method, dataset or protocol.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Its name, in lower case: my_net, my_data.")]
Here = Annotated[
    bool, typer.Option("--here", help="Write into the current folder, not into the checkout.")
]


@app.command()
def method(name: Name, here: Here = False) -> None:
    """Write a small, documented CNN as NAME.py; it runs, and every line may be changed."""
    from harbench import registry
    from harbench.discovery import COLOURS

    cls = registry.method_class("cnn")
    described = {
        str(cls.__doc__): "One line: what it is. Then its paper.",
        cls.reference: "Author et al., venue year",
        cls.colour: COLOURS[0],
    }
    called = _write("method", name, here, cls, described)
    typer.echo(f"  harbench check {called}")
    typer.echo(f"  harbench run --method {called} --protocol missing-10 --budget smoke")


@app.command()
def dataset(name: Name, here: Here = False) -> None:
    """Write the reader of a zip or folder of CSV files as NAME.py, to be changed to your files.

    Your own recordings need no code, if you can write them as docs/add-a-dataset.md says.
    """
    from harbench.testing.example import Example

    called = _write("dataset", name, here, Example, {})
    typer.echo(f"  harbench data prepare {called} --from ZIP-OR-FOLDER")
    typer.echo(f"  harbench data info {called}")
    typer.echo(f"  harbench run --method cnn --dataset {called} --protocol clean --budget smoke")


PROTOCOL = """\
# Every key of a protocol. Without them: split random, no scales and rates, headline clean windows,
# rows those shown; the others have the value that stands here.
description = "Say in one sentence what is compared."

# random: 8:1:1 over windows, drawn anew for each seed. subject: the seeds are folds of people, each
# tested once. loso: one person (seeds = "subjects"). recording: blocks of recordings.
split = "subject"
seeds = [0, 1, 2, 3, 4]
label_fraction = 0.15                    # labelled share of the training windows

# How test windows are corrupted: each of the scales at each of the rates (none by default).
# mixed, segment, channel, sensor; complete, gaps: only windows without, with gaps of their own.
scales = ["mixed", "segment", "channel", "sensor"]
rates = [0.05, 0.10]
# replay = "hugadb-gaps"                 # gaps of genuine data, or "mine.json" beside this file

# train_missing = { scale = "mixed", rate = 0.10 }      # training windows lose data, too

metrics = ["accuracy", "f1_macro", "f1_weighted", "balanced_accuracy"]
headline = { metric = "f1_macro", scale = "mixed", rate = 0.10 }        # one of the conditions

# [losses]                               # further kinds, each with rates of its own
# burst = [0.10]                         # joint, blackout, strap, burst, stuck, saturated

[significance]                           # fixed before any result is seen
test = "nb-t"                            # nb-t, signflip, wilcoxon (docs/statistics.md)
family = "column"                        # or "table": what shares the error rate
alpha = 0.05
rows = ["cnn", "random_forest"]          # compared with the control; none: those shown

# [variants]                             # a sweep: label -> configuration of the method
# "width 32" = { width = 32 }
"""


@app.command()
def protocol(name: Name, here: Here = False) -> None:
    """Write NAME.toml with every key that a protocol can have, explained."""
    from harbench import registry
    from harbench.data.paths import writing

    if name in registry.protocol_names():
        raise HarbenchError(f"There is a protocol {name!r} already. Choose another name.")
    path = _target("protocol", name, here, ".toml")
    with writing(path) as temporary:
        temporary.write_text(PROTOCOL, encoding="utf-8")
    called = f"./{path}" if here else name
    typer.echo(f"Wrote {path}. Try it:")
    typer.echo(f"  harbench run --method cnn --protocol {called} --budget smoke")


def _target(kind: str, name: str, here: bool, suffix: str) -> Path:
    """Where the file of a new thing goes; HarbenchError where it cannot."""
    import harbench

    # Protocols are no Python modules.
    word = name.replace("-", "_") if kind == "protocol" else name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", word) or keyword.iskeyword(word):
        raise HarbenchError(
            f"{name!r} cannot be a {kind}'s name: use lower-case letters, digits and underscores."
        )
    root = Path(harbench.__file__).resolve().parent.parent
    if not here and not (root / "pyproject.toml").is_file():
        raise HarbenchError(
            f"harbench does not run from a checkout, which would have a folder {kind}s/ "
            "(pip install -e . in it). "
            f"Write the file here: harbench new {kind} {name} --here"
        )
    path = Path(f"{name}{suffix}") if here else root / f"{kind}s" / f"{name}{suffix}"
    if path.exists():
        raise HarbenchError(f"{path} exists already.")
    if here and suffix == ".py" and importlib.util.find_spec(name):
        raise HarbenchError(
            f"There is a Python module {name!r}, and a file {name}.py would be taken for it. "
            "Choose another name."
        )
    return path


def _write(kind: str, name: str, here: bool, example: type, changes: dict[str, str]) -> str:
    """Write the example's source under another name; what the new file is called by."""
    from harbench import discovery, registry
    from harbench.data.paths import writing

    registered = discovery.name_of(kind, name)
    taken = registry.method_names() if kind == "method" else registry.dataset_names()
    if registered in taken:
        raise HarbenchError(f"There is a {kind} {registered!r} already. Choose another name.")
    path = _target(kind, name, here, ".py")
    with writing(path) as temporary:
        temporary.write_text(_skeleton(name, registered, example, changes), encoding="utf-8")
    called = f"./{path}" if here else registered
    typer.echo(f"Wrote {path}. Try it:")
    return called


def _skeleton(name: str, registered: str, example: type, changes: dict[str, str]) -> str:
    """The source of a class's module with other names, and a description to be filled in."""
    import inspect

    source = Path(inspect.getfile(example)).read_text(encoding="utf-8")
    body = source.split('"""', 2)[2]
    title = "".join(part.capitalize() for part in name.split("_"))
    if title != example.__name__ and re.search(rf"\b{title}\b", body):
        raise HarbenchError(
            f"The class of {name!r} would be {title}, which the file uses for something else. "
            "Choose another name."
        )
    named = {
        example.__name__: title,
        f'"{example.name}"': f'"{registered}"',  # type: ignore[attr-defined]
        f'"{example.name}.zip"': f'"{registered}.zip"',  # type: ignore[attr-defined]
    }
    for old, new in {**changes, **named}.items():
        body = body.replace(old, new)
    return f'"""{title}: say in one line what it does."""{body}'
