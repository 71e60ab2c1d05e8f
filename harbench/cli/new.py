"""`harbench new`: a working file to begin with."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Begin a new method or dataset.", no_args_is_help=True)
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


def _write(kind: str, name: str, here: bool, example: type, changes: dict[str, str]) -> str:
    """Write the example's source under another name; what the new file is called by."""
    import harbench
    from harbench import discovery, registry
    from harbench.data.paths import writing
    from harbench.errors import HarbenchError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise HarbenchError(
            f"{name!r} cannot be a {kind}'s name: use lower-case letters, digits and underscores."
        )
    registered = discovery.name_of(kind, name)
    taken = registry.method_names() if kind == "method" else registry.dataset_names()
    if registered in taken:
        raise HarbenchError(f"There is a {kind} {registered!r} already. Choose another name.")
    root = Path(harbench.__file__).resolve().parent.parent
    if not here and not (root / "pyproject.toml").is_file():
        raise HarbenchError(
            f"harbench does not run from a checkout, which would have a folder {kind}s/. "
            f"Write the file here: harbench new {kind} {name} --here"
        )
    path = Path(f"{name}.py") if here else root / f"{kind}s" / f"{name}.py"
    if path.exists():
        raise HarbenchError(f"{path} exists already.")
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
    named = {
        example.__name__: title,
        f'"{example.name}"': f'"{registered}"',  # type: ignore[attr-defined]
        f'"{example.name}.zip"': f'"{registered}.zip"',  # type: ignore[attr-defined]
    }
    for old, new in {**changes, **named}.items():
        body = body.replace(old, new)
    return f'"""{title}: say in one line what it does."""{body}'
