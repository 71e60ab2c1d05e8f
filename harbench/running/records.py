"""What a run leaves behind: one validated JSON record."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)


class Identity(_Part):
    """What a result is a result of; two records with the same identity say the same.

    augment: "corruption" where training windows lost parts at random. tuned: trials of the search
    that chose the configuration, 0 where nobody searched.
    """

    method: str
    config: dict[str, Any]
    code: str
    dataset: str
    fingerprint: str
    protocol: str
    rules: dict[str, Any]
    budget: str
    precision: str
    augment: str = "none"
    tuned: int = 0
    seed: int


class ConditionScores(_Part):
    """The scores of one test condition, shares from 0 to 1."""

    scale: str
    rate: float
    accuracy: float
    f1_macro: float
    f1_weighted: float
    balanced_accuracy: float
    confusion: list[list[int]]
    n: int


class SplitFacts(_Part):
    """Sizes of the parts in windows; leakage: share of test windows sharing training samples."""

    train: int
    validation: int
    test: int
    labelled: int
    leakage: float
    digest: str


class StageCostRecord(_Part):
    """The cost of one stage; cached: it was trained in an earlier run, which took `seconds`."""

    name: str
    epochs: int
    best_epoch: int
    seconds: float
    cached: bool


class Cost(_Part):
    """peak_memory: bytes (of the process, or of the GPU). windows_per_second: at evaluation."""

    parameters: int
    stages: list[StageCostRecord]
    peak_memory: int
    windows_per_second: float
    device: str


class Provenance(_Part):
    """Where, when and with what a record was made."""

    harbench: str
    commit: str | None
    dirty: bool | None
    packages: dict[str, str]
    python: str
    platform: str
    command: str
    started: str
    ended: str


class Record(_Part):
    """One (method and configuration, dataset, protocol, budget, seed)."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    status: Literal["ok"] = "ok"
    identity: Identity
    variant: str
    conditions: list[ConditionScores]
    split: SplitFacts
    cost: Cost
    provenance: Provenance


class Failure(_Part):
    """A run that ended without a result; it is tried again by the next call.

    mendable: whether the user can mend the cause (no space, say) rather than we.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    status: Literal["failed"] = "failed"
    identity: Identity
    variant: str
    mendable: bool
    error: str
    traceback: str
    provenance: Provenance
