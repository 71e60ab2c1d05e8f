"""`harbench leaderboard`: the page, what one enters into it, and the audit of that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from harbench.cli.reading import readable
from harbench.cli.report import Audits, Control, Folder, page_of

app = typer.Typer(help="The page: build; entering it: submit, audit.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Folder to write; an older page is replaced.")],
    results: Folder = None,
    control: Control = "robusthar",
    audit: Audits = None,
) -> None:
    """Write the leaderboard: index.html and the records behind it. It opens from the file system."""
    from harbench.data.paths import writing_folder
    from harbench.errors import HarbenchError
    from harbench.running.store import default_results

    root = results or default_results()
    records = readable(root)
    if not records:
        raise HarbenchError(f"No records in {root}.")
    if out.exists() and any(out.iterdir()) and not (out / "index.html").is_file():
        raise HarbenchError(f"{out} holds something else than a page. Choose an empty folder.")
    text = page_of(
        records,
        control,
        audit,
        lambda path: quote(f"records/{path.relative_to(root).as_posix()}"),
        f"harbench leaderboard: {len(records)} records",
    )
    with writing_folder(out) as temporary:
        (temporary / "index.html").write_text(text, encoding="utf-8")
        for path, _ in records:
            copy = temporary / "records" / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    typer.echo(f"Wrote {out / 'index.html'}: {len(records)} records, {len(text) // 1024} KiB.")
