"""Live progress: one line per running seed on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from harbench.running.plan import Run
from harbench.training.fit import Progress

LOG_EVERY_SECONDS = 30.0


class Display:
    """Shows what is running. On something that is not a terminal it prints a line now and then.

    What all runs have in common is said once, at the start; each line names only the rest.
    """

    def __init__(self, console: Console, runs: Sequence[Run], left: Sequence[Run]) -> None:
        self.console = console
        self.total = len(runs)
        self.finished = len(runs) - len(left)
        self.columns = [set(values) for values in zip(*map(_parts, runs), strict=True)]
        self.running: dict[str, Progress] = {}
        self.logged: dict[str, float] = {}
        self.live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        shared = [value for values in self.columns if len(values) == 1 for value in values]
        self.console.print(f"{' · '.join(shared)}: {self.total} runs", soft_wrap=True)
        if self.finished:
            self.console.print(f"{self.finished} of {self.total} runs are already there.")
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def news(self, run: Run, progress: Progress) -> None:
        """One epoch of a run has ended."""
        name = self.name(run)
        self.running[name] = progress
        if self.console.is_terminal:
            self.live.update(self._table())
            return
        last, stage_ends = self.logged.get(name, 0.0), progress.epoch == progress.epochs
        if stage_ends or time.monotonic() - last >= LOG_EVERY_SECONDS:
            self.logged[name] = time.monotonic()
            self.console.print(f"{name}: {' · '.join(_words(progress))}", soft_wrap=True)

    def ended(self, run: Run, outcome: str, style: str = "") -> None:
        """A run is over."""
        name = self.name(run)
        self.running.pop(name, None)
        self.finished += 1
        line = f"[{self.finished}/{self.total}] {name}: {outcome}"
        self.console.print(line, style=style, soft_wrap=True)
        if self.console.is_terminal:
            self.live.update(self._table())

    def name(self, run: Run) -> str:
        """What tells this run from the others, and its seed."""
        columns = zip(_parts(run), self.columns, strict=True)
        varying = [part for part, values in columns if len(values) > 1]
        return " · ".join([*varying, f"seed {run.seed}"])

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis")
        for name, progress in self.running.items():
            table.add_row(name, *_words(progress))
        return table


def _parts(run: Run) -> tuple[str, ...]:
    return run.variant or run.label, run.dataset, run.protocol.name, f"budget {run.budget.name}"


def _words(progress: Progress) -> list[str]:
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    score = "" if progress.score is None else f"validation F1 {100 * progress.score:.1f}"
    words = [
        f"{progress.stage} {progress.epoch}/{progress.epochs}",
        f"loss {progress.loss:.4f}",
        score,
        f"{minutes}:{seconds:02d} left",
    ]
    return [word for word in words if word]
