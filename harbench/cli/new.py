"""`harbench new`: a working file to begin with."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Begin a new method.", no_args_is_help=True)
EXAMPLE = "cnn"


@app.callback()
def _new() -> None:
    """Keep `method` a word of its own, for other things to begin."""


@app.command()
def method(
    name: Annotated[str, typer.Argument(help="Its name, in lower case: my_method.")],
    here: Annotated[
        bool, typer.Option("--here", help="Write into the current folder, not into methods/.")
    ] = False,
) -> None:
    """Write a small, documented CNN as NAME.py; it runs, and every line may be changed."""
    import harbench
    from harbench import registry
    from harbench.data.paths import writing
    from harbench.errors import HarbenchError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise HarbenchError(
            f"{name!r} cannot be a method's name: use lower-case letters, digits and underscores."
        )
    if name in registry.method_names():
        raise HarbenchError(f"There is a method {name!r} already. Choose another name.")
    root = Path(harbench.__file__).resolve().parent.parent
    if not here and not (root / "pyproject.toml").is_file():
        raise HarbenchError(
            "harbench does not run from a checkout, which would have a folder methods/. "
            f"Write the file here: harbench new method {name} --here"
        )
    path = Path(f"{name}.py") if here else root / "methods" / f"{name}.py"
    if path.exists():
        raise HarbenchError(f"{path} exists already.")
    with writing(path) as temporary:
        temporary.write_text(skeleton(name), encoding="utf-8")
    called = f"./{path}" if here else name
    typer.echo(f"Wrote {path}. Try it:")
    typer.echo(f"  harbench check {called}")
    typer.echo(f"  harbench run --method {called} --protocol missing-10 --budget smoke")


def skeleton(name: str) -> str:
    """The source of the example method under another name."""
    import inspect

    from harbench import registry

    cls = registry.method_class(EXAMPLE)
    source = Path(inspect.getfile(cls)).read_text(encoding="utf-8")
    body = source.split('"""', 2)[2]
    title = "".join(part.capitalize() for part in name.split("_"))
    body = body.replace(cls.__name__, title).replace(f'"{EXAMPLE}"', f'"{name}"')
    described = f'    """{cls.__doc__}"""'
    body = body.replace(described, '    """One line: what it is. Then its paper."""')
    body = body.replace(f'reference = "{cls.reference}"', 'reference = "Author et al., venue year"')
    return f'"""{title}: say in one line what it does."""{body}'
