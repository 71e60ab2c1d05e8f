"""What `harbench probe` leaves behind: validated JSON beside the records.

<results>/probes/<dataset>/<protocol>/<budget>/<method>/sensors.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harbench.data.paths import write_json
from harbench.errors import HarbenchError, first_wrong
from harbench.running.records import EXACT, Digest, Identity, Positive, Provenance, Share

if TYPE_CHECKING:
    from harbench.running.plan import Run

SCHEMA: Literal[1] = 1

Index = Annotated[int, Field(ge=0)]
Metres = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True, strict=True)


class SensorPlace(_Part):
    """A sensor; position: metres from the pelvis (right, forward, up)."""

    name: str
    position: Annotated[list[Metres], Field(min_length=3, max_length=3)]


class SetScores(_Part):
    """The scores of one set of kept sensors; f1_per_class: None without test windows."""

    accuracy: Share
    f1_macro: Share
    f1_per_class: list[Share | None]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tested = [value for value in self.f1_per_class if value is not None]
        if not tested or abs(sum(tested) / len(tested) - self.f1_macro) > EXACT:
            raise ValueError("f1_macro does not follow from f1_per_class")
        return self


class SeedScores(_Part):
    """One seed. none: with every sensor lost; kept: in the order of the probe's sets.

    train, test: windows. split: the digest of the split.
    """

    identity: Identity
    train: Positive
    test: Positive
    split: Digest
    none: SetScores
    kept: list[SetScores]


class SensorProbe(_Part):
    """One method on one dataset under one protocol: every set of sensors that is kept.

    sets: indices into `sensors`. orders: of the sensors, by which the sets were sampled; none
    where all non-empty sets are there.
    """

    schema_version: Literal[1] = Field(alias="schema")
    probe: Literal["sensors"]
    sensors: Annotated[list[SensorPlace], Field(min_length=2)]
    classes: Annotated[list[str], Field(min_length=2)]
    sets: Annotated[list[list[Index]], Field(min_length=1)]
    orders: list[list[Index]]
    runs: Annotated[list[SeedScores], Field(min_length=1)]
    provenance: Provenance

    @model_validator(mode="after")
    def _sets_are_sets(self) -> Self:
        everyone, known = range(len(self.sensors)), {tuple(each) for each in self.sets}
        if len(known) < len(self.sets):
            raise ValueError("sets: one is there twice")
        for each in self.sets:
            if not each or each != sorted(set(each)) or each[-1] not in everyone:
                raise ValueError(f"sets: {each} is no set of the {len(everyone)} sensors")
        needed = {tuple(j for j in everyone if j != i) for i in everyone} | {tuple(everyone)}
        for order in self.orders:
            if sorted(order) != list(everyone):
                raise ValueError(f"orders: {order} is no order of the {len(everyone)} sensors")
            needed |= {tuple(sorted(order[:size])) for size in range(1, len(order))}
        lacking = not needed <= known or (not self.orders and len(known) < 2 ** len(everyone) - 1)
        if lacking or len(self.orders) == 1:
            raise ValueError("sets: some that the values rest on are missing")
        return self

    @model_validator(mode="after")
    def _runs_fit(self) -> Self:
        seeds = [run.identity.seed for run in self.runs]
        if len(set(seeds)) < len(seeds):
            raise ValueError("runs: a seed is there twice")
        first = self.runs[0].identity
        for number, run in enumerate(self.runs):
            if run.identity.model_copy(update={"seed": first.seed}) != first:
                raise ValueError(f"runs.{number}: differs from the first in more than its seed")
            if len(run.kept) != len(self.sets):
                raise ValueError(f"runs.{number}: {len(run.kept)} scores of {len(self.sets)} sets")
            if any(len(s.f1_per_class) != len(self.classes) for s in [run.none, *run.kept]):
                raise ValueError(f"runs.{number}: f1_per_class has not one value for each class")
        return self


def probe_path(root: Path, run: Run, probe: str) -> Path:
    """Where a probe of the method and dataset of `run` lies."""
    parts = (run.dataset, run.protocol.name, run.budget.name, run.label, f"{probe}.json")
    return root.joinpath("probes", *parts)


def write_probe(path: Path, probe: SensorProbe) -> None:
    """Write a probe, whole or not at all."""
    write_json(path, probe.model_dump(mode="json"))


def read_probe(path: Path) -> SensorProbe:
    """A probe; HarbenchError that names the file, the key and what is wrong with it."""
    try:
        return SensorProbe.model_validate_json(path.read_bytes())
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{path}: {key}: {message}. Make it anew with --force.") from None


def find_probe(path: Path, runs: list[Run]) -> SensorProbe | None:
    """The probe of these runs, other seeds left out; None where one is absent or of other code."""
    if not path.is_file():
        return None
    probe = read_probe(path)
    # Through JSON, because tuples come back from disk as lists.
    known = {run.identity.model_dump_json(): run for run in probe.runs}
    found = [known.get(run.identity.model_dump_json()) for run in runs]
    kept = [run for run in found if run is not None]
    return probe.model_copy(update={"runs": kept}) if len(kept) == len(runs) else None
