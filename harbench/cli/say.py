"""Lines for a person: text from outside is shown as it is, never obeyed by the terminal."""

from __future__ import annotations

import sys

import typer

from harbench.outside import visible


def say(text: object, err: bool = False) -> None:
    """A line on standard output or error."""
    typer.echo(visible(str(text)), err=err)


def spell_out() -> None:
    """Let a character that the terminal's encoding lacks be spelled out, not stop the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
