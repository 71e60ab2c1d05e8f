"""What of the recordings became windows, what did not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
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
HALF, NEARLY_ALL = 0.5, 0.9


@dataclass
class Coverage:
    """Counts over recordings while they are cut into windows; `notes` says them."""

    info: DatasetInfo
    options: WindowOptions
    recordings: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    longest: dict[str, int] = field(default_factory=dict)
    labelled: set[int] = field(default_factory=set)
    padded: int = 0
    samples: int = 0
    lost: NDArray[np.int64] | None = None

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
        lost = np.isnan(recording.values).sum(axis=(0, 2))
        self.lost = lost if self.lost is None else self.lost + lost
        self.samples += len(recording.values) * recording.values.shape[2]
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

    def notes(self, labels: list[int], spec: str) -> list[str]:
        """Sentences on what vanished or is missing, with the remedy; none where nothing is.

        labels: those of all windows.
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
        return found + self._missing()

    def vanished(self) -> list[str]:
        """How many recordings gave no window, a sentence for each reason."""
        return [
            f"{count} of {self.recordings} recordings gave no window: "
            f"{'it' if count == 1 else 'each'} {reason}."
            for reason, count in self.reasons.items()
        ]

    def _missing(self) -> list[str]:
        if self.lost is None or not self.samples:
            return []
        found = []
        for sensor, count in zip(self.info.sensors, self.lost, strict=True):
            share = count / self.samples
            if share == 1:
                found.append(f"Sensor {sensor.name} is wholly missing.")
            elif share > HALF:
                advice = (
                    " Devices with clocks of their own, joined in one table, end like this: give "
                    "one file per device, <recording>.<sensor>.csv (docs/add-a-dataset.md)."
                )
                found.append(
                    f"Sensor {sensor.name} lacks {100 * share:.1f} % of its values."
                    f"{advice if share > NEARLY_ALL else ''}"
                )
        return found


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
