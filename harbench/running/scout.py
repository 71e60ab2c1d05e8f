"""Configures and builds a method for a plan; one whose code is foreign in a process of its own.

What its code does there, be it an exception or the end of the process, costs its own runs only.
"""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harbench import registry
from harbench.data import store
from harbench.dataset import HARDataset
from harbench.errors import BrokenCodeError, HarbenchError, one_line
from harbench.method import Budget, EngineOptions
from harbench.options import as_json, format_spec, parse_spec
from harbench.running import processes
from harbench.running.configure import Configured, Tuned, check_method, configure
from harbench.training.identity import method_code


@dataclass(frozen=True)
class Asked:
    """What a method is to be configured for. dataset: what that is loaded by."""

    dataset: str
    values: Mapping[str, Any]
    tuned: Tuned | None = None


@dataclass(frozen=True)
class Planned:
    """A configured method in plain values, as `Run` and `Identity` name them.

    spec: what it was asked for by.
    broken: why its code cannot be run, "" where it can; trace: where that was found.
    """

    spec: str
    name: str
    source: str
    label: str
    config: dict[str, Any]
    options: EngineOptions
    tuned: int
    code: str
    broken: str = ""
    trace: str = ""


def plan_method(
    spec: str,
    asked: Sequence[Asked],
    spent: Budget,
    load: Callable[[str], HARDataset],
    apart: bool = True,
    limit: float | None = None,
) -> list[Planned]:
    """An answer to each question.

    load: gives a dataset by what it is loaded by. apart: foreign code runs in another process,
    which is given up after `limit` seconds.
    Raises HarbenchError for what the user can mend: unknown names, impossible values.
    """
    if not (apart and registry.is_foreign(parse_spec(spec)[0])):
        return [_planned(spec, each, load(each.dataset), spent) for each in asked]
    told = spec, asked, spent, processes.environment()
    ours, process = processes.start(processes.context(on_gpu=False), _answer, *told)
    try:
        answer = ours.recv() if ours.poll(limit) else f"takes longer than {limit:g} seconds"
    except EOFError:
        process.join()
        answer = f"ends the process (exit code {process.exitcode})"
    finally:
        processes.end([process])
        ours.close()
    if isinstance(answer, HarbenchError):
        raise answer
    if isinstance(answer, str):
        error = f"Method {spec!r}: its code {answer} while it is imported or built."
        return [_broken(spec, each, error) for each in asked]
    planned: list[Planned] = answer
    return planned


def _answer(
    connection: Connection,
    spec: str,
    asked: Sequence[Asked],
    spent: Budget,
    environment: dict[str, str],
) -> None:
    os.environ.update(environment)
    try:
        load = cache(store.load)
        answer: list[Planned] | HarbenchError = [
            _planned(spec, each, load(each.dataset), spent) for each in asked
        ]
    except HarbenchError as error:
        answer = HarbenchError(str(error))
    processes.send(connection, answer)


def _planned(spec: str, asked: Asked, dataset: HARDataset, spent: Budget) -> Planned:
    found = None
    try:
        configured = configure(spec, dataset, asked.values, asked.tuned)
        found = plain(spec, configured)
        check_method(configured, dataset, spent)
    except BrokenCodeError as error:
        return replace(_broken(spec, asked, str(error)), trace=traceback.format_exc())
    except HarbenchError:
        raise
    except (Exception, SystemExit) as error:  # a method's own code may do anything
        words = f"Method {spec!r} cannot be built: {one_line(error)}"
        return replace(
            found or _broken(spec, asked, words), broken=words, trace=traceback.format_exc()
        )
    return found


class Checked(Protocol):
    """What a plan knows of a method: `Planned`, `harbench.running.plan.Run`."""

    @property
    def broken(self) -> str:
        """Why its code cannot be run."""


def require_sound(found: Iterable[Checked]) -> None:
    """HarbenchError where a method's code cannot be run: for what has no failures to record."""
    for each in found:
        if each.broken:
            raise HarbenchError(each.broken)


def plain(spec: str, found: Configured) -> Planned:
    """A configured method without its objects."""
    method = found.method
    return Planned(
        spec=spec,
        name=method.name,
        source=found.source,
        label=found.label,
        # Without classes of the method's file, which other processes do not know.
        config=as_json(asdict(method.config)),
        options=found.options,
        tuned=found.tuned,
        code=method_code(type(method)),
    )


def _broken(spec: str, asked: Asked, error: str) -> Planned:
    """What is known of a method without its code."""
    source, own = parse_spec(spec)
    name = Path(source).stem if source.endswith(".py") else source
    config = {**asked.values, **own}
    code = hashlib.sha256(registry.text_of(source)).hexdigest()
    return Planned(
        spec=spec,
        name=name,
        source=source,
        label=format_spec(name, config),
        config=config,
        options=EngineOptions(),
        tuned=0,
        code=code,
        broken=error,
    )
