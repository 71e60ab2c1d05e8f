"""Your own recordings, without code: CSV or Parquet files and one dataset.toml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from harbench.data.archive import Members, open_source
from harbench.data.clock import REPAIR, sampling_times, stalls
from harbench.data.coverage import named, with_option
from harbench.data.devices import Series, aligned, device_of, taken_apart
from harbench.data.facts import read_facts
from harbench.data.gaps import close_gaps
from harbench.data.tables import numbers, read_table, signals_in, times
from harbench.dataset import (
    Dataset,
    DatasetInfo,
    IntArray,
    Recording,
    Sensor,
    Stamped,
    WindowOptions,
    register_dataset,
)
from harbench.errors import HarbenchError, unknown
from harbench.registry import spoken

LARGEST_FILE = 1_000_000_000
FACTS = "dataset.toml"
LABELS = ".labels.csv"
NOWHERE = "Name your folder: --dataset folder+at=NAME, and put it into $HARBENCH_DATA as NAME."


@dataclass(frozen=True)
class FolderOptions(WindowOptions):
    """at: the name of the folder (or .zip) in $HARBENCH_DATA, and of the dataset in results.

    fill_gap: seconds; missing values between present ones that are so near are interpolated.
    clock: arrival where `time` says when samples arrived (stalls, then bursts): it is repaired.
    """

    at: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")] = ""
    fill_gap: Annotated[float, Field(ge=0)] = 0.0
    clock: Literal["sampling", "arrival"] = "sampling"


@register_dataset
class Folder(Dataset):
    """<subject>/<recording>.csv (or .parquet) beside dataset.toml; docs/add-a-dataset.md.

    Devices with clocks of their own: <subject>/<recording>.<sensor>.csv, or several of
    <recording>.<sensor>.<part>.csv, each with `time` and some channels; their common interval
    is brought to one grid of `rate` Hz, and pauses above max_gap are missing there.

    A recording has a column `time` (seconds), a column `<sensor>.<channel>` for each signal
    (absent columns and empty cells are missing values), and labels: a column `label` with class
    names, empty for none, or a file <recording>.labels.csv with the columns begin, end (seconds,
    end not included) and label.
    """

    name = "folder"
    Options = FolderOptions
    options: FolderOptions

    @property
    def raw_name(self) -> str:
        """The folder's own name."""
        if not self.options.at:
            raise HarbenchError(NOWHERE)
        return self.options.at

    def __init__(self, options: WindowOptions) -> None:
        super().__init__(options)
        self._stalled: list[str] = []
        self._joined: list[str] = []

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd: devices joined in one table, a clock that was repaired or needs it."""
        if not self._joined:
            return self._clock_remarks()
        joined = (
            f"Hardly any sample of {named(self._joined)} holds two sensors, as where devices with "
            "clocks of their own were joined in one table. Give one file per device, "
            "<recording>.<sensor>.csv (docs/add-a-dataset.md)."
        )
        return (joined, *self._clock_remarks())

    def _clock_remarks(self) -> tuple[str, ...]:
        if self.options.clock == "arrival":
            return (REPAIR,)
        if not self._stalled:
            return ()
        return (
            f"Samples seem to be stamped when they arrived: after pauses they come in bursts "
            f"({named(self._stalled)}). clock=arrival puts them back on an even clock: "
            f"{with_option(spoken(self), 'clock', 'arrival')}",
        )

    @property
    def left_out(self) -> str:
        """The labels that dataset.toml leaves out."""
        facts = getattr(self, "facts", None)
        return f"{', '.join(facts.leave_out)}; dataset.toml" if facts and facts.leave_out else ""

    def open(self, source: Path) -> None:
        """Read dataset.toml."""
        with open_source(source, FACTS, LARGEST_FILE) as members:
            if len(members.names) != 1:
                raise HarbenchError(f"{source} holds {len(members.names)} files {FACTS}, not one.")
            self.facts = read_facts(members, members.names[0])

    @property
    def info(self) -> DatasetInfo:
        """The facts of dataset.toml; only a title before it was read."""
        facts = getattr(self, "facts", None)
        if facts is None:
            return DatasetInfo("your own recordings, see docs", (), (), (), (), 0.0, "", "")
        return DatasetInfo(
            title=facts.title,
            sensors=tuple(Sensor(s.name, s.position) for s in facts.sensors),
            channels=facts.channels,
            units=facts.units or ("",) * len(facts.channels),
            classes=facts.classes,
            rate=facts.rate,
            licence=facts.licence,
            citation=facts.citation,
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per file, sorted by name."""
        assert source is not None, "folder is not embedded: the engine always gives a source"
        with open_source(source, "*.*", LARGEST_FILE) as members:
            for name, files in self._files(members):
                yield self._recording(members, name, files)

    def stamped(self, source: Path | None) -> Iterator[Stamped]:
        """Yield every file as it is."""
        assert source is not None, "folder is not embedded: the engine always gives a source"
        with open_source(source, "*.*", LARGEST_FILE) as members:
            for name, files in self._files(members):
                for device, file in sorted(files.items()):
                    time, values, _ = self._series(members, file, device)
                    flat = values.reshape(len(values), -1)
                    there = flat[:, ~np.isnan(flat).all(axis=0)]
                    yield Stamped(f"{name}.{device}".rstrip("."), time, there)

    def _files(self, members: Members) -> list[tuple[str, dict[str, str]]]:
        """Every recording's name, sorted, and its files by device."""
        # A Mac zips a second file beside each, ._NAME.
        every = {n: PurePosixPath(n) for n in members.names}
        paths = {n: path for n, path in every.items() if not path.name.startswith("._")}
        roots = {path.parent for path in paths.values() if path.name == FACTS}
        if len(roots) != 1:
            raise HarbenchError(
                f"{members.source} holds {len(roots)} files {FACTS}: one is needed."
            )
        (root,) = roots
        found: dict[str, dict[str, str]] = {}
        for file, path in paths.items():
            if path.suffix.lower() not in (".csv", ".parquet") or file.lower().endswith(LABELS):
                continue
            inside = path.relative_to(root) if path.is_relative_to(root) else path
            if len(inside.parts) != 2:
                raise HarbenchError(
                    f"{members.source}: {file}: recordings lie in a folder for each subject, "
                    "<subject>/<recording>.csv."
                )
            name, device = self._device(inside.with_suffix("").as_posix())
            files = found.setdefault(name, {})
            if device in files or (files and "" in (device, *files)):
                other = files.get(device) or next(iter(files.values()))
                raise HarbenchError(f"{members.source}: {other} and {file} are the same recording.")
            files[device] = file
        if not found:
            raise HarbenchError(f"{members.source} holds no <subject>/<recording>.csv.")
        return sorted(found.items())

    def _device(self, stem: str) -> tuple[str, str]:
        """`anna/walk.wrist.acc` -> `anna/walk` and `wrist.acc`; no device where none is named."""
        subject, _, file = stem.partition("/")
        recording, device = device_of(file, self._sensors)
        return f"{subject}/{recording}", device

    @property
    def _sensors(self) -> list[str]:
        return [sensor.name for sensor in self.info.sensors]

    def _recording(self, members: Members, name: str, files: dict[str, str]) -> Recording:
        series = {device: self._series(members, file, device) for device, file in files.items()}
        if self.options.clock == "arrival":
            series = {device: _even(found) for device, found in series.items()}
        if "" in series:
            time, values, labels = series[""]
            if taken_apart(values):
                self._joined.append(name)
        else:
            where = f"{members.source}: {name}"
            # A device's gaps are closed between its own samples, before others' times come in.
            series = {
                device: (at, close_gaps(at, found, self.options.fill_gap), given)
                for device, (at, found, given) in series.items()
            }
            time, values, labels = aligned(series, self.info, self.options.max_gap, where)
        place = f"{PurePosixPath(next(iter(files.values()))).parent}/{name.partition('/')[2]}"
        return Recording(
            name=name,
            subject=name.partition("/")[0],
            time=time,
            values=close_gaps(time, values, self.options.fill_gap),
            labels=self._labels(members, place, labels, time),
        )

    def _series(self, members: Members, file: str, device: str) -> Series:
        """Seconds, values (S, N, C) with NaN for other devices, and labels where the file has any.

        The file of a device names its channels without the sensor.
        """
        table, where = read_table(members, file), f"{members.source}: {file}"
        time = times(table, where)
        values = signals_in(table, self.info, device, where)
        if stalls(time, self.options.max_gap):
            self._stalled.append(file)
        if "label" not in table:
            return time, values, None
        codes, names = pd.factorize(_texts(table["label"]))
        lines = [int(np.argmax(codes == code)) + 2 for code in range(len(names))]
        classes = [
            self._class(name, f"{where}, line {line}") if name else -1
            for name, line in zip(names, lines, strict=True)
        ]
        return time, values, np.array(classes, dtype=np.int64)[codes]

    def _labels(
        self, members: Members, place: str, given: IntArray | None, time: NDArray[np.float64]
    ) -> IntArray:
        """Those of the recording's own column, else of <place>.labels.csv."""
        stem = place.removeprefix("./")
        spelt = (
            n for n in members.names if n.startswith(stem) and n[len(stem) :].lower() == LABELS
        )
        beside = next(spelt, stem + LABELS)
        if (given is not None) == (beside in members.names):
            raise HarbenchError(
                f"{members.source}: {place} needs either a column `label` or a file "
                f"{PurePosixPath(beside).name} beside it."
            )
        if given is not None:
            return given
        labels = np.full(len(time), -1, dtype=np.int64)
        spans = read_table(members, beside)
        if list(spans.columns) != ["begin", "end", "label"]:
            raise HarbenchError(f"{members.source}: {beside}: its columns are not begin,end,label.")
        begins = numbers(spans["begin"], f"{members.source}: {beside}")
        ends = numbers(spans["end"], f"{members.source}: {beside}")
        reached = spans.empty
        for row, label in enumerate(_texts(spans["label"])):
            where = f"{members.source}: {beside}, line {row + 2}"
            # An empty cell is the recording's begin, or its end.
            inside = ~(time < begins[row]) & ~(time >= ends[row])
            if ends[row] <= begins[row]:
                raise HarbenchError(f"{where}: end does not come after begin.")
            labels[inside] = self._class(label, where) if label else -1
            reached |= bool(inside.any())
        if not reached:
            raise HarbenchError(
                f"{members.source}: {beside}: no line reaches a sample. begin and end are seconds "
                f"as in the column time, which goes from {time[0]:g} to {time[-1]:g}."
            )
        return labels

    def _class(self, label: str, where: str) -> int:
        if label in self.facts.leave_out:
            return -1
        if label not in self.info.classes:
            hint = "Labels that are to be no class: leave_out = [...] in dataset.toml."
            raise HarbenchError(f"{where}: {unknown('class', label, self.info.classes, hint)}")
        return self.info.classes.index(label)


def _texts(column: pd.Series) -> pd.Series:
    """A column of labels, "" where empty."""
    return column.astype(object).fillna("").astype(str).str.strip()


def _even(series: Series) -> Series:
    """The series on its even clock instead of arrival times."""
    time, kept = sampling_times(series[0])
    return time, series[1][kept], None if series[2] is None else series[2][kept]
