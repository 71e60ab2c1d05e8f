"""The command `harbench`. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import errno
import sys
from typing import Annotated

import typer

from harbench import __version__
from harbench.cli import (
    bench,
    cache,
    calibrate,
    check,
    compare,
    cost,
    data,
    doctor,
    figure,
    leaderboard,
    list_,
    model,
    new,
    power,
    probe,
    report,
    reproduce,
    results,
    run,
    table,
    tune,
    verify,
)
from harbench.cli.reading import left_out
from harbench.cli.say import say, spell_out
from harbench.cli.stop import stoppable
from harbench.errors import HarbenchError


def _ended(*_: object, **__: object) -> None:
    """A verb that had to leave records out has shown the rest; its exit code says so."""
    if left_out.get():
        raise typer.Exit(1)


app = typer.Typer(
    name="harbench",
    help="Compare methods for wearable activity recognition with missing data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    result_callback=_ended,
)
app.command("run")(run.run)
app.command("list")(list_.list_)
app.command("table")(table.table)
app.command("compare")(compare.compare)
app.command("power")(power.power)
app.command("figure")(figure.figure)
app.command("reproduce")(reproduce.reproduce)
app.command("report")(report.report)
app.command("calibrate")(calibrate.calibrate)
app.command("tune")(tune.tune)
app.command("check")(check.check)
app.command("verify")(verify.verify)
app.command("cost")(cost.cost)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(new.app, name="new")
app.add_typer(data.app, name="data")
app.add_typer(cache.app, name="cache")
app.add_typer(results.app, name="results")
app.add_typer(model.app, name="model")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(probe.app, name="probe")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"harbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: a user's mistake is a message on stderr and exit code 2."""
    left_out.set(False)
    spell_out()
    with stoppable():
        try:
            app()
        except HarbenchError as error:
            say(f"harbench: {error}", err=True)
            sys.exit(2)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            say(f"harbench: {error.filename}: {error.strerror}.", err=True)
            sys.exit(2)
