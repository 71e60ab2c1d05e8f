"""What of the recordings became windows, what did not, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harbench.data.windows import Window, check_recording, cut, resample, stretches
from harbench.dataset import DatasetInfo, Recording, WindowOptions
from harbench.errors import HarbenchError

# A float32 signal that one stretch may become: more is a mistake in its time stamps or rate.
LARGEST_STRETCH = 16_000_000_000
SHORT = "is shorter than a window"
UNLABELLED = "has no label"
BROKEN = "has no stretch without a pause that holds a window"
MIXED = "has no window of one class"
HALF = 0.5
NAMED = 3


@dataclass
class Coverage:
    """Counts over recordings while they are cut into windows; `notes` says them.

    left_out: the dataset's words on classes that its options leave out.
    """

    info: DatasetInfo
    options: WindowOptions
    left_out: str = ""
    recordings: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    longest: dict[str, int] = field(default_factory=dict)
    labelled: set[int] = field(default_factory=set)
    padded: int = 0
    samples: int = 0
    absent: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lost: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.lost = np.zeros((len(self.info.sensors), len(self.info.channels)), dtype=np.int64)

    def windows(self, recording: Recording) -> Iterator[Window]:
        """The recording's windows, counted; with `short=pad` a short one gives a padded window."""
        check_recording(recording)
        self._check_length(recording)
        count = 0
        for window in cut(recording, self.info.rate, self.options):
            count += 1
            yield window
        if not count and self.options.short == "pad":
            window_padded = padded(recording, self.info.rate, self.options)
            if window_padded is not None:
                count = 1
                self.padded += 1
                yield window_padded
        self._count(recording, count)

    def _check_length(self, recording: Recording) -> None:
        """Refuse time stamps that would need absurdly much memory at the dataset's rate."""
        size = 4 * int(np.prod(recording.values.shape[1:]))
        for begin, end in stretches(recording, self.options.max_gap):
            steps = _steps(recording, begin, end, self.info.rate)
            if steps * size > LARGEST_STRETCH:
                seconds = recording.time[end - 1] - recording.time[begin]
                raise HarbenchError(
                    f"Recording {recording.name!r}: {end - begin} samples over {seconds:.3g} s "
                    f"would be {steps:.3g} steps at {self.info.rate:g} Hz. Check its time "
                    f"stamps (seconds), or choose a smaller max_gap than {self.options.max_gap:g}."
                )

    def _count(self, recording: Recording, windows: int) -> None:
        """Count a recording that gave so many windows."""
        self.recordings += 1
        lost = np.isnan(recording.values).sum(axis=0)
        self.lost += lost
        self.samples += len(recording.values)
        for index in np.flatnonzero((lost == len(recording.values)).all(axis=1)):
            self.absent[self.info.sensors[index].name].append(recording.name)
        self.labelled |= {int(label) for label in np.unique(recording.labels) if label >= 0}
        if windows:
            return
        lengths = [
            _steps(recording, begin, end, self.info.rate)
            for begin, end in stretches(recording, self.options.max_gap)
        ]
        longest = max(lengths, default=0)
        if not (recording.labels >= 0).any():
            self.reasons[UNLABELLED] += 1
            return
        if longest < self.options.window:
            self.longest[recording.name] = longest
            self.reasons[SHORT if len(lengths) < 2 else BROKEN] += 1
        else:
            self.reasons[MIXED] += 1

    def notes(self, labels: list[int], subjects: list[str], spec: str) -> list[str]:
        """Sentences on what vanished or is missing, with the remedy; none where nothing is.

        labels, subjects: those of all windows.
        """
        found = self.vanished()
        classes = [self.info.classes[index] for index in sorted(self.labelled - set(labels))]
        if classes:
            found.append(f"No window is left of class {', '.join(classes)}.")
        shortest = min((n for n in self.longest.values() if n >= 2), default=0)
        if shortest:
            found.append(
                f"window={shortest} keeps the short ones; short=pad makes each a padded window: "
                f"{with_option(spec, 'short', 'pad')}"
            )
        if self.padded:
            found.append(f"{self.padded} windows are padded; padding counts as missing.")
        return found + self._of_one_subject(labels, subjects) + self._missing()

    def vanished(self) -> list[str]:
        """How many recordings gave no window, a sentence for each reason."""
        found = []
        for reason, count in self.reasons.items():
            why = reason
            if reason == UNLABELLED and self.left_out:
                why = f"holds nothing but what is left out ({self.left_out})"
            found.append(
                f"{count} of {self.recordings} recordings gave no window: "
                f"{'it' if count == 1 else 'each'} {why}."
            )
        return found

    def _of_one_subject(self, labels: list[int], subjects: list[str]) -> list[str]:
        """Classes that a split by subject cannot both learn and test."""
        pairs = set(zip(labels, subjects, strict=True))
        having = Counter(label for label, _ in pairs)
        lonely = [self.info.classes[label] for label, count in sorted(having.items()) if count == 1]
        if not lonely or len({subject for _, subject in pairs}) == 1:
            return []
        return [
            f"Only one subject has class {', '.join(lonely)}: where that subject is tested, nobody "
            "has taught it."
        ]

    def _missing(self) -> list[str]:
        found = []
        for sensor, counts in zip(self.info.sensors, self.lost, strict=True):
            whole = counts == self.samples
            if whole.all():
                found.append(f"Sensor {sensor.name} is wholly missing.")
                continue
            if whole.any():
                names = [self.info.channels[index] for index in np.flatnonzero(whole)]
                found.append(f"Sensor {sensor.name} has no {', '.join(names)} at all.")
            names = self.absent.get(sensor.name, [])
            if names:
                found.append(
                    f"Sensor {sensor.name} is wholly missing in {len(names)} of {self.recordings} "
                    f"recordings ({named(names)})."
                )
            share = counts[~whole].mean() / self.samples
            if share > HALF:
                found.append(
                    f"Sensor {sensor.name} lacks {100 * share:.1f} % of its "
                    f"{'other ' if whole.any() else ''}values."
                )
        return found


def named(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def with_option(spec: str, key: str, value: Any) -> str:
    """The spec with one option set, whatever it said of that option before."""
    name, *pairs = spec.split("+")
    kept = [pair for pair in pairs if pair.partition("=")[0] != key]
    return "+".join([name, *kept, f"{key}={value}"])


def padded(recording: Recording, rate: float, options: WindowOptions) -> Window | None:
    """A whole short recording as one window, NaN after its end; None without a clear label."""
    found = stretches(recording, options.max_gap)
    if len(found) != 1:
        return None
    _, values, labels = resample(recording, rate)
    known = labels[labels >= 0]
    if not 2 <= len(values) < options.window or not len(known):
        return None
    label, count = Counter(known.tolist()).most_common(1)[0]
    if count < options.label_share * len(labels):
        return None
    window = np.full((options.window, *values.shape[1:]), np.nan, dtype=np.float32)
    window[: len(values)] = values
    return Window(window, int(label), 0)


def _steps(recording: Recording, begin: int, end: int, rate: float) -> int:
    return int((recording.time[end - 1] - recording.time[begin]) * rate + 1e-6) + 1
