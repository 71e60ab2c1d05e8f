"""What a dataset is: sensors on a body, recordings, and windows cut from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harbench.errors import HarbenchError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
# What a window can hold: a larger value would become infinite.
LARGEST_VALUE = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Sensor:
    """A body-worn device.

    position: metres, standing person, origin at the pelvis, x right, y forward, z up.
    """

    name: str
    position: tuple[float, float, float]


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a dataset that do not depend on its samples.

    rate: Hz. units: one per channel. url: where the raw data comes from ("" if nowhere).
    """

    title: str
    sensors: tuple[Sensor, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    rate: float
    licence: str
    citation: str
    url: str = ""


@dataclass(frozen=True)
class WindowOptions:
    """How recordings are cut into windows; datasets extend it with their own options.

    window, step: length and hop in samples at the dataset's rate. max_gap: seconds; a longer
    pause between two samples ends a stretch, and no window crosses it. label_share: the most
    frequent label of a window must cover at least this share of its samples, else the window is
    dropped (windows whose most frequent label is null are always dropped). short: a recording
    that is shorter than a window is dropped, or made one window whose rest is missing (pad).
    repeats: a recording with the same values as an earlier one is kept, or dropped.
    """

    window: Annotated[int, Field(ge=2)] = 128
    step: Annotated[int, Field(ge=1)] = 64
    max_gap: Annotated[float, Field(gt=0)] = 0.2
    label_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    short: Literal["drop", "pad"] = "drop"
    repeats: Literal["keep", "drop"] = "keep"


@dataclass(frozen=True)
class Recording:
    """One uninterrupted take of one subject, as read from the raw files.

    name: unique in the dataset. time: (S,) seconds, increasing. values: (S, N, C), NaN where
    missing. labels: (S,) class index of each sample, -1 where none.
    """

    name: str
    subject: str
    time: NDArray[np.float64]
    values: FloatArray
    labels: IntArray


@dataclass(frozen=True)
class Stamped:
    """One series as its file has it. name: `<recording>.<sensor>` and what else tells it apart.

    stamps: (S,) seconds, not decreasing, as they come. values: (S, V).
    """

    name: str
    stamps: NDArray[np.float64]
    values: NDArray[Any]


class Dataset(ABC):
    """One file in datasets/: where the raw data is and how its recordings are read.

    Subclasses set `name` (the file's name, hyphens for underscores), `Options` and `embedded`
    (True where no raw file is needed), and implement `info` and `recordings`. archive: the official
    file's name, looked for in $HARBENCH_DATA. obtain: where the raw data is to be had where there
    is no stable address.
    """

    name: ClassVar[str]
    Options: ClassVar[type[WindowOptions]] = WindowOptions
    embedded: ClassVar[bool] = False
    archive: ClassVar[str] = ""
    obtain: ClassVar[str] = ""

    def __init__(self, options: WindowOptions) -> None:
        self.options = options

    @property
    def raw_name(self) -> str:
        """What the raw folder or zip is called in $HARBENCH_DATA."""
        return self.name

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what is done to the raw signal, which `prepare` and `info` say."""
        return ()

    @property
    def left_out(self) -> str:
        """Classes that these options leave out and the option that takes them; "" where none."""
        return ""

    def open(self, source: Path) -> None:  # noqa: B027
        """Look at the raw data before `info` is asked for; for facts that lie in the files."""

    def stamped(self, source: Path | None) -> Iterator[Stamped]:  # noqa: ARG002
        """Yield series with time stamps of their own, untouched; none where the files have none."""
        return iter(())

    @property
    @abstractmethod
    def info(self) -> DatasetInfo:
        """The dataset's facts under these options."""

    @abstractmethod
    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield every recording, sorted by name, one in memory at a time.

        source: the zip or folder with the raw data; None for an embedded dataset. Raises
        HarbenchError naming the file and what is wrong with it.
        """


D = TypeVar("D", bound=type[Dataset])
DATASETS: dict[str, type[Dataset]] = {}


def register_dataset(cls: D) -> D:
    """Class decorator: make a dataset known under its `name`; HarbenchError where it is taken."""
    other = DATASETS.get(cls.name, cls)
    if other.__module__ != cls.__module__:
        raise HarbenchError(
            f"The name {cls.name!r} is taken by {other.__module__}: choose another."
        )
    DATASETS[cls.name] = cls
    return cls


@dataclass(frozen=True)
class HARDataset:
    """Prepared windows with everything that splits, corruption and methods need.

    windows: (W, T, N, C) float32, raw units, NaN where missing; a read-only memory map for
    datasets on disk. labels: (W,) class index. subjects: (W,) text. recordings: (W,) index of the
    recording. starts: (W,) first sample of the window on the recording's regular grid.
    fingerprint: sha256 of the content.
    """

    spec: str
    info: DatasetInfo
    windows: FloatArray
    labels: IntArray
    subjects: NDArray[np.str_]
    recordings: IntArray
    starts: IntArray
    fingerprint: str
    options: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, N, C) of one window."""
        steps, sensors, channels = self.windows.shape[1:]
        return steps, sensors, channels

    def check(self) -> None:
        """Refuse a dataset from which nothing can be learned."""
        present = np.unique(self.labels)
        if len(present) < 2:
            raise HarbenchError(
                f"Dataset {self.spec!r} has windows of {len(present)} class only; "
                "a classifier needs at least two. Check the labels or the window options."
            )
        if len(self) < 3 * len(present):
            raise HarbenchError(
                f"Dataset {self.spec!r} has {len(self)} windows for {len(present)} classes; "
                "training, validation and test need at least three per class."
            )


def info_to_json(info: DatasetInfo) -> dict[str, Any]:
    """`info` as plain JSON values."""
    return asdict(info)


def info_from_json(values: dict[str, Any]) -> DatasetInfo:
    """The inverse of `info_to_json`."""
    sensors = tuple(Sensor(s["name"], tuple(s["position"])) for s in values["sensors"])
    texts = {key: tuple(values[key]) for key in ("channels", "units", "classes")}
    return DatasetInfo(**{**values, **texts, "sensors": sensors})
