"""Who else hears of epochs: callbacks and logs. None of them can cost a run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harbench.errors import HarbenchError, needs, one_line
from harbench.running.executors import News
from harbench.running.plan import Run
from harbench.training.fit import Progress


def careful(listener: News) -> News:
    """The same listener; when it raises, a RuntimeWarning says so and it hears no more."""
    gone = False

    def tell(run: Run, progress: Progress) -> None:
        nonlocal gone
        if gone:
            return
        try:
            listener(run, progress)
        except Exception as error:  # what others wrote may raise anything
            gone = True
            words = "A listener raised and is told nothing more; the runs go on"
            warnings.warn(f"{words}: {one_line(error)}", RuntimeWarning, stacklevel=2)

    return tell


@contextmanager
def tensorboard(folder: Path) -> Iterator[News]:
    """A listener that writes each epoch's loss and validation macro-F1 as TensorBoard scalars.

    Files lie under folder/<dataset>/<protocol>/<budget>/<label>/seed-<s>, one step per epoch;
    stages that are taken from the cache have none. Raises HarbenchError where the package
    `tensorboard` is missing or the folder cannot be written.
    """
    needs("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    writers: dict[Path, Any] = {}

    def tell(run: Run, progress: Progress) -> None:
        names = (run.dataset, run.protocol.name, run.budget.name, run.variant or run.label)
        place = folder.joinpath(*names, f"seed-{run.seed}")
        if place not in writers:
            writers[place] = SummaryWriter(str(place))
        scores = {"loss": progress.loss, "validation_f1": progress.score}
        for name, value in scores.items():
            if value is not None:
                writers[place].add_scalar(f"{progress.stage}/{name}", value, progress.epoch)

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarbenchError(f"--log: {folder} cannot be written: {error.strerror}.") from None
    try:
        yield tell
    finally:
        for writer in writers.values():
            writer.close()
