"""What this machine, installation and folders offer, and what to do where something is amiss."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

import psutil
from packaging.requirements import Requirement

import harbench
from harbench import discovery, registry
from harbench.data import fetch, store
from harbench.data.paths import cache_dir, data_dir
from harbench.errors import HarbenchError, one_line
from harbench.running.store import default_results

GIB = 2**30
# Below the first a run may fail, below the second a larger one does.
MEMORY = (1 * GIB, 4 * GIB)
DISK = (1 * GIB, 10 * GIB)
# Whose extras a user of the command can need.
FOR_DEVELOPERS = ("test", "dev")
SECONDS = 60
# What is printed after an import: one that ends the process does not get so far.
DONE = "imported"


class State(StrEnum):
    """How much a finding matters."""

    ok = "ok"
    warning = "warning"
    problem = "problem"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do, "" where nothing."""

    what: str
    state: State
    words: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Every finding; a look that fails is a problem itself, and hides no other."""
    for look in (_python, _packages, _extras, _cores, _memory, _cache, _results, _raw, _datasets,
                 _plug_ins, _cuda):  # fmt: skip
        try:
            yield from look()
        except Exception as error:  # a broken installation may raise anything
            yield Finding(look.__name__.strip("_"), State.problem, one_line(error))


def _python() -> Iterator[Finding]:
    own = f"harbench {harbench.__version__} in {Path(harbench.__file__).parent}"
    yield Finding("Python", State.ok, f"{sys.version.split()[0]}; {own}")


def _lacks(extra: str = "") -> list[str]:
    """In words, which requirements of harbench, or of one of its extras, are not met."""

    def holds(need: Requirement, wanted: str) -> bool:
        return need.marker is None or need.marker.evaluate({"extra": wanted})

    needed = [
        need
        for need in map(Requirement, requires("harbench") or [])
        if holds(need, extra) and not (extra and holds(need, ""))
    ]
    return [words for need in needed if (words := _lacking(need))]


def _lacking(requirement: Requirement) -> str:
    """Why a requirement is not met, "" where it is."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return ""
    return f"{requirement.name} is {found}, needed is {requirement.specifier}"


def _packages() -> Iterator[Finding]:
    lacking = _lacks()
    if lacking:
        advice = "pip install --upgrade harbench"
        yield Finding("packages", State.problem, "; ".join(lacking), advice)
    else:
        yield Finding("packages", State.ok, f"all that is needed; torch {version('torch')}")


def _extras() -> Iterator[Finding]:
    for name in metadata("harbench").get_all("Provides-Extra") or []:
        if name not in FOR_DEVELOPERS:
            lacking = _lacks(name)
            advice = f"only if you want it: pip install 'harbench[{name}]'" if lacking else ""
            yield Finding(f"extra {name}", State.ok, "; ".join(lacking) or "installed", advice)


def _cores() -> Iterator[Finding]:
    process = psutil.Process()
    usable = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count()
    load = psutil.getloadavg()[0]
    busy = load > (usable or 1)
    yield Finding(
        "threads",
        State.warning if busy else State.ok,
        f"{usable} usable cores, load {load:.1f}; a run takes one",
        "other programs are at work: times will be longer than estimated" if busy else "",
    )


def _memory() -> Iterator[Finding]:
    found = psutil.virtual_memory()
    words = f"{found.available / GIB:.1f} of {found.total / GIB:.1f} GiB free"
    yield _amount("memory", found.available, MEMORY, words, "end other programs, or use --jobs 1")


def _amount(what: str, free: float, limits: tuple[int, int], words: str, advice: str) -> Finding:
    state = State.problem if free < limits[0] else State.warning
    return (
        Finding(what, State.ok, words) if free >= limits[1] else Finding(what, state, words, advice)
    )


def _place(what: str, folder: Path, variable: str) -> Iterator[Finding]:
    """Whether a folder, or where it will be, can be written and has room."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        words = f"{folder} cannot be written ({error.strerror})"
        yield Finding(what, State.problem, words, f"choose another: {variable}")
        return
    free = shutil.disk_usage(there).free
    made = "" if folder.is_dir() else "; will be made"
    words = f"{folder}, {free / GIB:.0f} GiB free{made}"
    yield _amount(what, free, DISK, words, f"free some space, or choose another disk: {variable}")


def _cache() -> Iterator[Finding]:
    yield from _place("cache", cache_dir(), "$HARBENCH_CACHE")


def _results() -> Iterator[Finding]:
    root = default_results()
    yield from _place("results", root, "$HARBENCH_RESULTS or --results")
    files = list(root.rglob("seed-*.json")) if root.is_dir() else []
    failed = [path for path in files if path.name.endswith(".failed.json")]
    if failed:
        words = f"{len(failed)} runs failed, the first: {sorted(failed)[0]}"
        advice = "read its error; the same command tries it again"
        yield Finding("results", State.warning, words, advice)
    if files:
        words = f"{len(files) - len(failed)} records; are they whole? harbench results check"
        yield Finding("results", State.ok, words)


def _raw() -> Iterator[Finding]:
    folder = data_dir()
    if folder is None:
        yield Finding("raw data", State.ok, "$HARBENCH_DATA is not set")
    elif not folder.is_dir():
        yield Finding(
            "raw data", State.problem, f"$HARBENCH_DATA: {folder} is no folder", "set it right"
        )
    else:
        own = ", ".join(fetch.own_folders())
        words = f"$HARBENCH_DATA is {folder}" + (f"; with own datasets {own}" if own else "")
        yield Finding("raw data", State.ok, words)


def _datasets() -> Iterator[Finding]:
    groups: dict[str, list[str]] = {}
    for name in registry.dataset_names():
        if not _own("datasets", name):
            continue
        try:
            registry.dataset_class(name)
        except HarbenchError as error:
            yield Finding(f"dataset {name}", State.problem, str(error))
            continue
        try:
            canonical, dataset = store.resolve(name)
            if store.is_prepared(canonical):
                state = "prepared"
            elif dataset.embedded or fetch.at_hand(dataset):
                state = "at hand, prepared when needed"
            else:
                state = "not here" if not dataset.info.url else "downloaded when needed"
        except HarbenchError:  # the reader of any folder wants to be told which
            state = "with options only"
        groups.setdefault(state, []).append(name)
    for state, names in sorted(groups.items()):
        advice = "harbench data info NAME says where to get it" if state == "not here" else ""
        yield Finding("datasets", State.ok, f"{state}: {', '.join(names)}", advice)


def _own(group: str, name: str) -> bool:
    return discovery.modules(group)[name].startswith(f"harbench.{group}.")


def _plug_ins() -> Iterator[Finding]:
    """Own files must be Python; what other packages bring is imported in a process of its own."""
    good = 0
    for group, kind in (("methods", "method"), ("datasets", "dataset")):
        for name, module in sorted(discovery.modules(group).items()):
            reason = _unread(module) if _own(group, name) else _not_imported(kind, name)
            good += not reason
            if reason:
                advice = "mend it, or uninstall its package"
                yield Finding(f"{kind} {name}", State.problem, reason, advice)
    yield Finding("plug-ins", State.ok, f"{good} methods and datasets can be used")


def _unread(module: str) -> str:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return f"{module} is not there"
    try:
        ast.parse(Path(spec.origin).read_text(encoding="utf-8"), spec.origin)
    except (OSError, SyntaxError, ValueError) as error:
        return f"{spec.origin}: {one_line(error)}"
    return ""


def _not_imported(kind: str, name: str) -> str:
    call = f"registry.{kind}_class(sys.argv[1])"
    code = f"import sys; from harbench import registry; {call}; print({DONE!r})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"its import takes more than {SECONDS} seconds"
    if done.stdout.endswith(f"{DONE}\n"):
        return ""
    said = done.stderr.strip().splitlines() or [f"its import ends with exit code {done.returncode}"]
    return said[-1].removeprefix("harbench.errors.")


def _cuda() -> Iterator[Finding]:
    """Last, because torch takes seconds to import."""
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        words = f"{card.name}, {card.total_memory / GIB:.0f} GiB, CUDA {torch.version.cuda}"
        yield Finding("GPU", State.ok, words)
    elif shutil.which("nvidia-smi"):
        words = f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it"
        yield Finding("GPU", State.warning, words, "install a build of torch for your CUDA")
    else:
        yield Finding("GPU", State.ok, f"none; torch {torch.__version__} computes on the CPU")
