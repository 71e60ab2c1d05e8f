"""`harbench probe`: questions to trained methods that no protocol asks."""

from __future__ import annotations

import typer

from harbench.cli import probe_transfer

app = typer.Typer(no_args_is_help=True, help="Ask trained methods what no protocol asks.")
app.command("transfer")(probe_transfer.transfer)
