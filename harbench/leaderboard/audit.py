"""Records of a submission run again, drawn by a hash that their submitter cannot choose."""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harbench import discovery, registry
from harbench.analysis.statistics import corrected_t, resolution
from harbench.data import store
from harbench.errors import HarbenchError, unknown
from harbench.leaderboard.audits import Audit, AuditedCell, Grade
from harbench.leaderboard.submission import Submission
from harbench.options import parse_spec
from harbench.running.again import outdated, own_cache, run_of
from harbench.running.execute import execute
from harbench.running.plan import Run
from harbench.running.provenance import command_line, now, provenance
from harbench.running.records import Failure, Record

LONGEST = 500
# Points of macro F1.
LARGEST_MARGIN = 2.0
NOT_RUN = (
    "{name} brings a method of its own ({method}): its code would run on this machine with your "
    "rights. Read methods/{method}.py first; then, in a container or a virtual machine, add "
    "--run-code."
)


def drawn(submission: Submission, salt: str, count: int, at_most: float = math.inf) -> list[str]:
    """The names of `count` records: those whose sha256(salt, submission, name) is smallest.

    Raises HarbenchError where there is none to draw.
    at_most: only records whose training took no more seconds than this, by their own words.
    The submission's digest covers all of its content. The salt must be one that nobody knew when
    the submission was made (the commit that merged it, say); else a submitter could try changes
    until the draw is convenient.
    """

    def place(name: str) -> str:
        return hashlib.sha256(f"{salt}\n{submission.digest}\n{name}".encode()).hexdigest()

    cheap = [
        name
        for name, (_, record) in submission.records.items()
        if sum(stage.seconds for stage in record.cost.stages) <= at_most
    ]
    if not cheap:
        raise HarbenchError(
            f"Nothing can be run again: no record says that it trained within {at_most:g} s. "
            "Allow more with --at-most, or leave it out."
        )
    return sorted(cheap, key=place)[:count]


def foreign(submission: Submission, names: list[str]) -> list[str]:
    """The methods of some records whose code is not this installation's."""
    methods = {submission.records[name][1].identity.method for name in names}
    return sorted(methods - discovery.modules("methods").keys())


def audit(
    submission: Submission,
    salt: str,
    count: int,
    at_most: float = math.inf,
    run_code: bool = False,
    news: Callable[[AuditedCell], None] = lambda _: None,
) -> Audit:
    """Draw, run again and grade; raises HarbenchError rather than run foreign code unasked.

    Trainings go into a cache of their own, so that nothing finished before is taken for a re-run.
    """
    started, names = now(), drawn(submission, salt, count, at_most)
    strangers = foreign(submission, names)
    if strangers and not run_code:
        raise HarbenchError(NOT_RUN.format(name="The submission", method=strangers[0]))
    _prepare({submission.records[name][1].identity.dataset for name in names})
    cells = []
    with own_cache(), tempfile.TemporaryDirectory(prefix="harbench-audit-") as folder:
        for name in names:
            cell = _again(submission, name, Path(folder), strangers)
            cells.append(cell)
            news(cell)
    return Audit(
        schema=1,
        submission=submission.digest,
        salt=salt,
        of=len(submission.records),
        cells=cells,
        provenance=provenance(command_line(), started),
    )


def _prepare(datasets: set[str]) -> None:
    """Load the datasets; raises HarbenchError for one that is not known or not to be had here.

    That is no fault of the submission, so nothing is graded. A path of a file would run the file.
    """
    for spec in sorted(datasets):
        name, known = parse_spec(spec)[0], discovery.modules("datasets")
        if name not in known:
            raise unknown("dataset", name, known)
        store.load(spec)


def _again(submission: Submission, name: str, folder: Path, strangers: list[str]) -> AuditedCell:
    """Run one record again and grade it."""
    content, record = submission.records[name]
    digest, begun = hashlib.sha256(content).hexdigest(), time.perf_counter()
    path, method = folder / name, record.identity.method
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    code = ""
    if method in strangers:
        file = folder / "methods" / f"{method}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(submission.methods[method])
        code = str(file)
    try:
        run, _ = run_of(path, code)
        stale = outdated(record, run)
        if stale:
            grade, detail = _failed(f"cannot be the same run: {'; '.join(stale)}")
        elif _own_rules(run):
            grade, detail = _failed(f"follows other rules than protocol {run.protocol.name}")
        else:
            found = execute(run, record.provenance.command, lambda _: None)
            grade, detail = graded(record, found, _margin(submission, record, name))
    except HarbenchError as error:
        grade, detail = _failed(str(error))
    seconds = round(time.perf_counter() - begun, 1)
    return AuditedCell(name=name, record=digest, grade=grade, detail=detail, seconds=seconds)


def _own_rules(run: Run) -> bool:
    """Whether a run goes under the name of one of the suite's protocols by other rules."""
    name = run.protocol.name
    if name not in registry.protocol_names():
        return False
    fitting = registry.protocol(name).fitting(*store.load(run.source).shape[1:])
    return fitting.rules() != run.protocol.rules()


def graded(record: Record, found: Record | Failure, margin: float) -> tuple[Grade, str]:
    """How well a re-run repeats a record. margin: what its macro F1 may differ by, in points.

    Same bits: every score, losses of probability included. Same predictions: every confusion
    matrix. Inside the interval: macro F1 of every condition within the half width of the row's.
    """
    if isinstance(found, Failure):
        return _failed(found.error)
    if found.split != record.split:
        return _failed("the split is another")
    before, after = ([row.model_dump() for row in each.conditions] for each in (record, found))
    if before == after:
        return "same bits", ""
    if [row["confusion"] for row in before] == [row["confusion"] for row in after]:
        return "same predictions", ""
    if [(c.scale, c.rate) for c in record.conditions] != [
        (c.scale, c.rate) for c in found.conditions
    ]:
        return _failed("the test conditions are others")
    gaps = [100 * abs(a["f1_macro"] - b["f1_macro"]) for a, b in zip(before, after, strict=True)]
    words = f"macro F1 differs by up to {max(gaps):.2f} points (interval: ± {margin:.2f})"
    return ("inside the interval", words) if max(gaps) <= margin else ("failed", words)


def _failed(detail: str) -> tuple[Grade, str]:
    """A failure; what a stranger's record says in it can neither steer a terminal nor be long."""
    plain = "".join(letter if letter.isprintable() else " " for letter in detail)
    return "failed", plain[:LONGEST]


def _margin(submission: Submission, record: Record, name: str) -> float:
    """Half the 95 % interval of the row's clean macro F1 over its seeds, at most LARGEST_MARGIN.

    0 for fewer than three seeds. The scores are the submitter's: their spread must not buy room.
    """
    folder = name.rpartition("/")[0]
    row = [r for n, (_, r) in submission.records.items() if n.rpartition("/")[0] == folder]
    if len(row) < 3:
        return 0.0
    scores = np.array([100 * each.conditions[0].f1_macro for each in row])
    split = record.split
    found = corrected_t([scores], [split.test / split.train], "", [resolution(split.test)])
    return min(found.high - found.effect, LARGEST_MARGIN)
