"""bodysim: synthetic recordings of a small kinematic body model, of any size, from a seed.

Joint angles follow a few harmonics per activity; forward kinematics gives each sensor's position
p(t) and orientation R(t) in the world. An accelerometer measures the specific force
R^T (p'' - g), a gyroscope the body rate w with R' = R [w]x; both get white noise and a constant
bias. It is for tests, demonstrations and scale, not for statements about people.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial.transform import Rotation

from harbench.dataset import (
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
    register_dataset,
)
from harbench.streams import stream

Array = NDArray[np.float64]
RATE = 50.0
GRAVITY = np.array([0.0, 0.0, -9.81])
MARGIN = 8
ACC_NOISE, GYR_NOISE = 0.05, 0.01
ACC_BIAS, GYR_BIAS = 0.05, 0.02
DROPOUT_SAMPLES = 25.0


@dataclass(frozen=True)
class Segment:
    """A rigid body part. joint: where it hangs, in metres in its parent's frame.

    Limb lengths are near the averages of Drillis and Contini (1966) at a stature of 1.7 m.
    """

    parent: str | None
    joint: tuple[float, float, float]


SEGMENTS = {
    "pelvis": Segment(None, (0.0, 0.0, 0.0)),
    "torso": Segment("pelvis", (0.0, 0.0, 0.1)),
    "head": Segment("torso", (0.0, 0.0, 0.5)),
    **{
        f"{side} {part}": Segment(parent.format(side=side), (sign * x, 0.0, z))
        for side, sign in (("right", 1), ("left", -1))
        for part, parent, x, z in (
            ("upper arm", "torso", 0.20, 0.42),
            ("forearm", "{side} upper arm", 0.0, -0.30),
            ("thigh", "pelvis", 0.10, -0.05),
            ("shank", "{side} thigh", 0.0, -0.42),
        )
    },
}

# Where sensors can be worn: segment and place in its frame. The first `sensors` are used.
PLACES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "chest": ("torso", (0.0, 0.10, 0.30)),
    "right wrist": ("right forearm", (0.03, 0.0, -0.23)),
    "left wrist": ("left forearm", (-0.03, 0.0, -0.23)),
    "right thigh": ("right thigh", (0.07, 0.0, -0.20)),
    "left thigh": ("left thigh", (-0.07, 0.0, -0.20)),
    "right shank": ("right shank", (0.05, 0.0, -0.20)),
    "left shank": ("left shank", (-0.05, 0.0, -0.20)),
    "head": ("head", (0.0, 0.0, 0.20)),
    "right upper arm": ("right upper arm", (0.05, 0.0, -0.15)),
    "left upper arm": ("left upper arm", (-0.05, 0.0, -0.15)),
}


@dataclass(frozen=True)
class Swing:
    """A joint angle in degrees: offset + amplitude sin(harmonic * phase + shift pi).

    Positive is flexion of a hanging limb forward; axis 0 is right, 1 is forward (abduction).
    """

    offset: float = 0.0
    amplitude: float = 0.0
    shift: float = 0.0
    harmonic: int = 1
    axis: int = 0


@dataclass(frozen=True)
class Activity:
    """cadence: Hz. bob: metres of the pelvis's vertical oscillation, at `bob_harmonic`."""

    cadence: float = 0.3
    bob: float = 0.0
    bob_harmonic: int = 2
    joints: dict[str, Swing] = field(default_factory=dict)


def _gait(hip: float, knee: float, arm: float, elbow: float) -> dict[str, Swing]:
    """Legs and arms swing half a cycle apart, arms against legs."""
    swings: dict[str, Swing] = {}
    for side, shift in (("right", 0.0), ("left", 1.0)):
        swings |= {
            f"{side} thigh": Swing(hip / 4, hip, shift),
            f"{side} shank": Swing(-knee, knee, shift - 0.5),
            f"{side} upper arm": Swing(0.0, arm, shift + 1),
            f"{side} forearm": Swing(elbow, arm / 3, shift + 1),
        }
    return swings


def _both(part: str, swing: Swing) -> dict[str, Swing]:
    return {f"right {part}": swing, f"left {part}": swing}


ACTIVITIES: dict[str, Activity] = {
    "standing": Activity(),
    "sitting": Activity(joints=_both("thigh", Swing(85)) | _both("shank", Swing(-85))),
    "lying": Activity(joints={"pelvis": Swing(90)}),
    "walking": Activity(0.95, 0.02, joints=_gait(25, 30, 20, 15)),
    "running": Activity(1.4, 0.05, joints=_gait(40, 50, 35, 80)),
    "climbing stairs": Activity(
        0.8, 0.04, joints=_gait(30, 40, 12, 25) | {"torso": Swing(-12, 3, harmonic=2)}
    ),
    "jumping": Activity(
        1.1,
        0.15,
        1,
        _both("thigh", Swing(25, 25))
        | _both("shank", Swing(-45, 45))
        | _both("forearm", Swing(30)),
    ),
    "waving": Activity(
        1.2, joints={"right upper arm": Swing(150), "right forearm": Swing(0, 35, axis=1)}
    ),
    "cycling": Activity(
        1.3,
        joints={"torso": Swing(-35), "right thigh": Swing(65, 25), "left thigh": Swing(65, 25, 1)}
        | {"right shank": Swing(-75, 30, 0.3), "left shank": Swing(-75, 30, 1.3)}
        | _both("upper arm", Swing(60))
        | _both("forearm", Swing(15)),
    ),
    "bending": Activity(0.35, joints={"torso": Swing(-40, 40)} | _both("upper arm", Swing(30, 30))),
}


@dataclass(frozen=True)
class BodysimOptions(WindowOptions):
    """Size and seed. seconds: length of each recording (one per activity and subject).

    missing: expected share of samples that a sensor loses in runs, as dropped packets are.
    """

    window: Annotated[int, Field(ge=2)] = 100
    step: Annotated[int, Field(ge=1)] = 100
    subjects: Annotated[int, Field(ge=1, le=9999)] = 8
    sensors: Annotated[int, Field(ge=1, le=len(PLACES))] = 5
    activities: Annotated[int, Field(ge=1, le=len(ACTIVITIES))] = 8
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 40.0
    missing: Annotated[float, Field(ge=0, lt=0.9)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0


@register_dataset
class Bodysim(Dataset):
    """Up to 10 activities, 10 sensors (acc, gyr) and 9,999 subjects at 50 Hz.

    Subjects differ in stature, cadence, amplitude, timing, posture and how sensors are mounted.
    A subject's data depends on the seed alone, not on how many subjects there are.
    """

    name = "bodysim"
    Options = BodysimOptions
    embedded = True
    options: BodysimOptions

    @property
    def info(self) -> DatasetInfo:
        """Sensors at their places on a standing body of average stature."""
        names = list(PLACES)[: self.options.sensors]
        standing = {segment: _origin(segment) for segment in SEGMENTS}
        places = {n: standing[PLACES[n][0]] + np.array(PLACES[n][1]) for n in names}
        return DatasetInfo(
            title="Synthetic recordings of a kinematic body model",
            sensors=tuple(
                Sensor(n, (float(x), float(y), float(z))) for n, (x, y, z) in places.items()
            ),
            channels=tuple(f"{kind}_{axis}" for kind in ("acc", "gyr") for axis in "xyz"),
            units=("m/s2",) * 3 + ("rad/s",) * 3,
            classes=tuple(ACTIVITIES)[: self.options.activities],
            rate=RATE,
            licence="MIT (generated)",
            citation="harbench",
        )

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        """Yield one recording per activity and subject; `source` is not used."""
        for label, name in enumerate(self.info.classes):
            for subject in range(self.options.subjects):
                values = self._record(name, subject)
                yield Recording(
                    name=f"a{label:02d}-s{subject:04d}",
                    subject=f"s{subject:04d}",
                    time=np.arange(len(values)) / RATE,
                    values=values,
                    labels=np.full(len(values), label, dtype=np.int64),
                )

    def _record(self, activity: str, subject: int) -> NDArray[np.float32]:
        """(S, N, 6): what the subject's sensors measure."""
        seed, names = self.options.seed, list(PLACES)[: self.options.sensors]
        draws = stream(seed, "bodysim", "recording", activity, subject)
        count = round(self.options.seconds * RATE)
        poses = simulate(ACTIVITIES[activity], seed, subject, count + 2 * MARGIN, draws)
        columns = []
        for name in names:
            body = stream(seed, "bodysim", "mounting", subject, name)
            mounting = Rotation.from_rotvec(body.normal(0, 0.15, 3))
            segment, place = PLACES[name]
            position, orientation = poses[segment]
            clean = measure(position + orientation.apply(place), orientation * mounting)
            scale = np.repeat([ACC_BIAS, GYR_BIAS], 3)
            noise = np.repeat([ACC_NOISE, GYR_NOISE], 3)
            noisy = clean + draws.normal(0, scale) + draws.normal(0, noise, clean.shape)
            losses = stream(seed, "bodysim", "losses", activity, subject, name)
            noisy[_dropped(len(noisy), self.options.missing, losses)] = np.nan
            columns.append(noisy[MARGIN:-MARGIN])
        return np.stack(columns, axis=1).astype(np.float32)


def person(activity: Activity, seed: int, subject: int) -> tuple[float, float, float]:
    """A subject's stature and amplitude (1 is average), and cadence in Hz."""
    draws = stream(seed, "bodysim", "subject", subject)
    stature, amplitude = 1 + draws.normal(0, 0.06), max(0.4, 1 + draws.normal(0, 0.12))
    return stature, amplitude, activity.cadence * max(0.6, 1 + draws.normal(0, 0.08))


def simulate(
    activity: Activity, seed: int, subject: int, count: int, draws: np.random.Generator
) -> dict[str, tuple[Array, Rotation]]:
    """World position of the joint (count, 3) and orientation of every segment."""
    stature, amplitude, cadence = person(activity, seed, subject)
    time = np.arange(count) / RATE
    # The cadence wanders slowly by 3 %, so that no two cycles are alike.
    drift = 0.03 * cadence / 0.05 * np.sin(2 * np.pi * 0.05 * time + draws.uniform(0, 2 * np.pi))
    phase = 2 * np.pi * cadence * time + drift + draws.uniform(0, 2 * np.pi)
    poses: dict[str, tuple[Array, Rotation]] = {}
    for name, segment in SEGMENTS.items():
        swing = activity.joints.get(name, Swing())
        habit = stream(seed, "bodysim", "habit", subject, name)
        shift = np.pi * swing.shift + habit.normal(0, 0.15)
        posture = swing.offset + habit.normal(0, 4)
        moved = amplitude * swing.amplitude * np.sin(swing.harmonic * phase + shift)
        rate, start = draws.uniform(0.2, 0.5), draws.uniform(0, 2 * np.pi)
        angle = posture + moved + 0.5 * np.sin(2 * np.pi * rate * time + start)
        axis = np.eye(3)[swing.axis]
        joint = Rotation.from_rotvec(np.radians(angle)[:, None] * axis)
        if segment.parent is None:
            bob = activity.bob * amplitude * np.sin(activity.bob_harmonic * phase)
            poses[name] = (bob[:, None] * np.array([0.0, 0.0, 1.0]), joint)
        else:
            origin, parent = poses[segment.parent]
            position = origin + parent.apply(stature * np.array(segment.joint))
            poses[name] = (position, parent * joint)
    return poses


def measure(position: Array, orientation: Rotation) -> Array:
    """(S, 6): specific force (m/s2) and angular velocity (rad/s) in the sensor's frame.

    Central differences; the first and last two samples are not accurate.
    """
    acceleration = np.gradient(np.gradient(position, 1 / RATE, axis=0), 1 / RATE, axis=0)
    force = orientation.inv().apply(acceleration - GRAVITY)
    turns = (orientation[:-2].inv() * orientation[2:]).as_rotvec() * RATE / 2
    return np.hstack([force, np.pad(turns, ((1, 1), (0, 0)), mode="edge")])


def _origin(segment: str) -> Array:
    """The joint of a segment when the average body stands straight."""
    part = SEGMENTS[segment]
    above = _origin(part.parent) if part.parent else np.zeros(3)
    return np.asarray(above + np.array(part.joint))


def _dropped(count: int, share: float, draws: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of lost samples: lengths are geometric, and their expected share is `share`."""
    if share == 0:
        return np.zeros(count, dtype=bool)
    pairs = 2 + round(3 * count * share / DROPOUT_SAMPLES) + 20
    lengths = np.empty(2 * pairs, dtype=np.int64)
    lengths[0::2] = draws.geometric(share / (DROPOUT_SAMPLES * (1 - share)), pairs)
    lengths[1::2] = draws.geometric(1 / DROPOUT_SAMPLES, pairs)
    if draws.random() < share:  # the recording begins inside a loss
        lengths[0] = 0
    states = np.repeat(np.tile([False, True], pairs), lengths)
    lost = np.zeros(count, dtype=bool)
    lost[: min(count, len(states))] = states[:count]
    return lost
