"""Tuning records: results/tuning/<dataset>/<split>-<labels>/<budget>/<method>/seed-<s>.json.

A search belongs to one seed: it sees the training and validation windows of that seed alone, and
`run --tuned` uses for each seed that seed's own search. A search shared by all seeds would see
test windows of others: under a subject split everybody is tested once, so no window is in no test
part. Tables of given configurations (`tune --grid`) lie under results/choices/, and no run uses
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harbench import registry
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError, first_wrong
from harbench.evaluation import EVALUATOR
from harbench.evaluation.predict import Precision
from harbench.method import Budget, EngineOptions
from harbench.options import as_json, format_spec
from harbench.protocol import Protocol
from harbench.running.configure import Tuned
from harbench.running.records import Provenance, Share
from harbench.running.scout import Planned


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)


class Curve(_Part):
    """One stage of a trial. steps: in each epoch. scored: epochs that were scored on validation."""

    stage: str
    epochs: Annotated[int, Field(ge=0)]
    steps: Annotated[int, Field(ge=1)]
    best_epoch: Annotated[int, Field(ge=0)]
    seconds: float
    scored: list[int]
    validation_f1: list[Share]
    validation_loss: list[float]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({len(self.scored), len(self.validation_f1), len(self.validation_loss)}) > 1:
            raise ValueError("scored, validation_f1 and validation_loss differ in length")
        return self


class Trial(_Part):
    """One configuration and its macro-F1 on the validation windows; error: why it has none."""

    values: dict[str, Any]
    f1_macro: Share | None
    seconds: float
    error: str = ""
    stages: list[Curve] = []

    @property
    def trained(self) -> float:
        """What its stages took when they were trained, cached or not; all of it where it failed."""
        return sum(stage.seconds for stage in self.stages) or self.seconds


class Search(_Part):
    """What a search is a search of: two with equal fields find the same.

    evaluator: `harbench.evaluation.EVALUATOR`; 2 made the records that do not state it.
    """

    method: str
    code: str
    evaluator: int = 2
    config: dict[str, Any]
    augment: str
    impute: str = "zero"
    indicator: bool = False
    pretrain: bool = True
    space: dict[str, list[Any] | dict[str, float]]
    dataset: str
    fingerprint: str
    rules: dict[str, Any]
    budget: str
    precision: str
    seed: int


class TuningRecord(_Part):
    """All trials of a search; the first one is the default configuration. best: index."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    search: Search
    wanted: int
    trials: list[Trial]
    best: int | None
    provenance: Provenance

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.best is not None and not 0 <= self.best < len(self.trials):
            raise ValueError(f"best: there is no trial {self.best}")
        return self


def trial_spec(search: Search, trial: Trial) -> str:
    """What differs from the defaults of a method of ours; of a file's its name alone."""
    if registry.is_foreign(search.method):
        return search.method
    default = vars(registry.method_class(search.method).Config())
    # JSON has no tuples.
    plain = {
        key: list(value) if isinstance(value, tuple) else value for key, value in default.items()
    }
    config = {**search.config, **trial.values}
    changed = {k: v for k, v in config.items() if k in plain and v != plain[k]}
    return format_spec(search.method, changed | EngineOptions.of(search).changed())


def training_rules(protocol: Protocol) -> dict[str, Any]:
    """The rules of a protocol that training depends on."""
    return protocol.model_dump(
        mode="json", include={"split", "label_fraction", "train_missing"}
    ) | ({"folds": protocol.folds} if protocol.split == "subject" else {})


def tuning_path(
    root: Path,
    label: str,
    dataset: str,
    protocol: Protocol,
    budget: Budget,
    seed: int,
    grid: Iterable[str] | None = None,
) -> Path:
    """Where the search for a method lies; `label` is its name with what is fixed.

    grid: the keys of a table of given configurations, which lies apart from searches.
    """
    rules = f"{protocol.split}-{100 * protocol.label_fraction:g}"
    missing = protocol.train_missing
    if missing.corrupts:
        rules += f"-{missing.scale}-{100 * missing.rate:g}"
    if protocol.split == "subject":
        rules += f"-{protocol.folds}-folds"
    kind = "tuning" if grid is None else "choices"
    name = label if grid is None else f"{label}+{'+'.join(grid)}"
    return root / kind / dataset / rules / budget.name / name / f"seed-{seed}.json"


def read_tuning(path: Path) -> TuningRecord:
    """Read a record; HarbenchError that names the file and the key if it is none."""
    try:
        return TuningRecord.model_validate_json(path.read_bytes())
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{path}: {key}: {message}. Delete it.") from None


def find_tuned(
    root: Path,
    methods: Iterable[Planned],
    dataset: HARDataset,
    protocol: Protocol,
    budget: Budget,
    precision: Precision,
    seed: int,
) -> dict[str, Tuned]:
    """What was chosen for a seed, by the method's spec.

    methods: as they are untuned; one whose code cannot be run has no search.
    Raises HarbenchError for searches that are missing, outdated or unequal.
    """
    found = {}
    for method in methods:
        if method.broken:
            continue
        spec = method.spec
        path = tuning_path(root, method.label, dataset.spec, protocol, budget, seed)
        command = (
            f"harbench tune --method {spec} --dataset {dataset.spec} "
            f"--protocol {protocol.name} --budget {budget.name} --seeds {seed} --trials N "
            f"--results {quote(str(root))}"
        )
        if not path.is_file():
            raise HarbenchError(f"{spec} has not been tuned ({path} is absent). Run: {command}")
        record = read_tuning(path)
        asked = (method.name, dataset.spec, training_rules(protocol), budget.name, seed)
        _check(record, path, asked, method, dataset, precision, command)
        assert record.best is not None
        found[spec] = Tuned(record.trials[record.best].values, len(record.trials))
    if len({tuned.trials for tuned in found.values()}) > 1:
        counts = ", ".join(f"{spec} {tuned.trials}" for spec, tuned in found.items())
        raise HarbenchError(
            f"Methods were tuned with different numbers of trials ({counts}). A comparison needs "
            "the same for all: harbench tune --trials N goes on where a search ended."
        )
    return found


def _check(
    record: TuningRecord,
    path: Path,
    asked: tuple[object, ...],
    method: Planned,
    dataset: HARDataset,
    precision: Precision,
    command: str,
) -> None:
    search = record.search
    if (search.method, search.dataset, search.rules, search.budget, search.seed) != asked:
        raise HarbenchError(
            f"{path} is a search of {search.method} on {search.dataset} with budget "
            f"{search.budget}, seed {search.seed}, or of other rules: it does not belong "
            f"there. Delete it and run: {command}"
        )
    today = (method.code, dataset.fingerprint, EVALUATOR)
    if (search.code, search.fingerprint, search.evaluator) != today:
        raise HarbenchError(
            f"{path} belongs to other code, data or evaluator than today's. Delete it and run: "
            f"{command}"
        )
    if search.config != as_json(method.config):
        raise HarbenchError(
            f"{path} searched around other defaults than today's. Delete it and run: {command}"
        )
    if search.precision != precision:
        raise HarbenchError(f"{path} was searched with --precision {search.precision}.")
    if len(record.trials) < record.wanted or record.best is None:
        raise HarbenchError(
            f"{path}: the search ended after {len(record.trials)} of {record.wanted} trials"
            f"{'' if record.best is not None else ' and none succeeded'}. Run: {command}"
        )
