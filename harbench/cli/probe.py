"""`harbench probe`: what is asked of trained methods besides a protocol's conditions."""

from __future__ import annotations

import typer

from harbench.cli import probe_sensors, probe_transfer

app = typer.Typer(no_args_is_help=True, help="Ask trained methods what no protocol asks.")
app.command("sensors")(probe_sensors.sensors)
app.command("transfer")(probe_transfer.transfer)
