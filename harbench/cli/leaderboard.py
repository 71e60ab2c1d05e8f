"""`harbench leaderboard`: the page, what one enters into it, and the audit of that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from harbench.cli.complete import Results
from harbench.cli.reading import readable
from harbench.cli.report import Audits, Control, page_of
from harbench.cli.say import say

app = typer.Typer(help="The page: build; entering it: submit, audit, change.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Folder to write; an older page is replaced.")],
    results: Results = None,
    control: Control = "robusthar",
    audit: Audits = None,
) -> None:
    """Write the leaderboard, index.html and the records behind it; no server is needed."""
    from harbench.data.paths import writing_folder
    from harbench.errors import HarbenchError
    from harbench.running.store import default_results

    root = results or default_results()
    records = readable(root)
    if not records:
        raise HarbenchError(f"No records in {root}.")
    if out.resolve().is_relative_to(root.resolve()):
        raise HarbenchError(
            f"{out} lies in the results folder {root}, where the page's copies of the records "
            "would be records, too. Choose another --out."
        )
    if out.exists():
        _require_page(out)
    text = page_of(
        records,
        control,
        audit,
        lambda path: quote(f"records/{path.relative_to(root).as_posix()}"),
        f"harbench leaderboard: {len(records)} records",
        root,
    )
    with writing_folder(out) as temporary:
        (temporary / "index.html").write_text(text, encoding="utf-8")
        for path, _ in records:
            copy = temporary / "records" / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    say(f"Wrote {out / 'index.html'}: {len(records)} records, {len(text) // 1024} KiB.")


def _require_page(out: Path) -> None:
    """Raise HarbenchError unless all that is in `out`, and would be replaced, is a page's."""
    from harbench.errors import HarbenchError

    if not out.is_dir():
        raise HarbenchError(f"{out} is not a folder. Choose another --out.")
    if Path.cwd().is_relative_to(out.resolve()):
        raise HarbenchError(f"{out} is the current folder, or holds it. Choose another --out.")
    foreign = sorted({path.name for path in out.iterdir()} - {"index.html", "records"})
    if foreign:
        raise HarbenchError(
            f"{out} holds something else than a page ({', '.join(foreign[:3])}), which would be "
            "lost. Choose an empty folder."
        )


@app.command()
def submit(
    paths: Annotated[list[Path], typer.Argument(help="Records, or folders of them.", exists=True)],
    out: Annotated[Path, typer.Option(help="Zip to write.")] = Path("submission.zip"),
    method: Annotated[
        list[Path] | None,
        typer.Option(help="File of a method that is not registered (repeatable).", exists=True),
    ] = None,
) -> None:
    """Pack records, their methods' code and a lock of versions into one zip, checked."""
    from harbench.data.paths import require_other, writing
    from harbench.leaderboard.submission import pack, require_code, unpack

    require_other(out, [*paths, *(method or ())])
    data = pack(paths, method or ())
    held = unpack(data, str(out))
    require_code(held, method or ())
    with writing(out) as temporary:
        temporary.write_bytes(data)
    say(f"Wrote {out}: {len(held.records)} records, methods {', '.join(held.methods)}.")
    say(f"sha256 of its content: {held.digest}")


@app.command()
def audit(
    submission: Annotated[Path, typer.Argument(help="What `leaderboard submit` wrote.")],
    salt: Annotated[
        str, typer.Option(help="Public words that nobody knew when it was made: a later commit.")
    ],
    cells: Annotated[int, typer.Option(min=1, help="How many records to run again.")] = 3,
    at_most: Annotated[
        float | None, typer.Option(min=0, help="Draw among records that trained so many seconds.")
    ] = None,
    out: Annotated[Path, typer.Option(help="JSON to write.")] = Path("audit.json"),
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Run methods that the submission brings along.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check it and show what is drawn.")
    ] = False,
) -> None:
    """Run records of a submission again, drawn by a hash, and grade each.

    Same bits, same predictions, inside the interval, or failed (then the exit code is 1). The page
    shows it: harbench leaderboard build --audit audit.json.
    """
    from harbench.data.paths import require_other, write_json
    from harbench.leaderboard.audit import audit as carry_out
    from harbench.leaderboard.audit import drawn
    from harbench.leaderboard.audits import AuditedCell
    from harbench.leaderboard.submission import read_submission

    require_other(out, [submission])
    limit = math.inf if at_most is None else at_most
    held = read_submission(submission)
    say(f"{submission}: {len(held.records)} records hold; sha256 {held.digest}")
    if dry_run:
        say("\n".join(f"drawn: {name}" for name in drawn(held, salt, cells, limit)))
        return

    def news(cell: AuditedCell) -> None:
        detail = f" ({cell.detail})" if cell.detail else ""
        say(f"{cell.grade}: {cell.name}, {cell.seconds:.0f} s{detail}")

    found = carry_out(held, salt, cells, limit, run_code, news)
    write_json(out, found.model_dump(mode="json", by_alias=True))
    failed = sum(cell.grade == "failed" for cell in found.cells)
    passed = len(found.cells) - failed
    say(f"audited {passed}/{found.of}, {failed} failed. Wrote {out}")
    if failed:
        raise typer.Exit(1)


@app.command()
def change(
    submission: Annotated[Path, typer.Argument(help="What `leaderboard submit` wrote.")],
    results: Results = None,
) -> None:
    """Show the table before and after a submission, as markdown."""
    from harbench.cli.report import board_of
    from harbench.leaderboard.change import before_and_after
    from harbench.leaderboard.submission import read_submission
    from harbench.running.store import default_results

    root = results or default_results()
    held = read_submission(submission)
    records = readable(root) if root.is_dir() else []
    say(before_and_after(records, held, root, board_of))
