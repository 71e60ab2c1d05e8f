"""What a run leaves behind: one validated JSON record."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from harbench.errors import first_wrong
from harbench.evaluation.metrics import from_confusion
from harbench.method import EngineOptions
from harbench.protocol import Condition, Protocol, Scale

SCHEMA: Literal[2] = 2
# What a protocol fixes and every record must state; a protocol's words are not among it.
REQUIRED_RULES = ("split", "label_fraction", "scales", "rates", "train_missing")
EXACT = 1e-9

Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
# Below the cache, and never upwards from there.
PredictionsPath = Annotated[str, Field(pattern=r"^predictions/(?:[^/.][^/]*/)*[^/.][^/]*\.npz$")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", serialize_by_alias=True, strict=True)


class Identity(_Part):
    """What a result is a result of; two records with the same identity say the same.

    evaluator: `harbench.evaluation.EVALUATOR`. augment: the fault that training windows suffered at
    random. impute, indicator, pretrain: see `EngineOptions`; left out of the file where they are
    the defaults, as in records from before there were these options.
    tuned: trials of the search that chose the configuration, 0 where nobody searched.
    """

    method: str
    config: dict[str, Any]
    code: Digest
    dataset: str
    fingerprint: Digest
    protocol: str
    rules: dict[str, Any]
    evaluator: Positive
    budget: str
    precision: str
    augment: str
    impute: str = "zero"
    indicator: bool = False
    pretrain: bool = True
    tuned: Count
    seed: Count

    @model_serializer(mode="wrap")
    def _say_what_differs(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Records, and digests of identities, from before there were these options stay valid.
        values: dict[str, Any] = whole(self)
        known = type(self).model_fields.items()
        default = {key: field.default for key, field in known if not field.is_required()}
        return {k: v for k, v in values.items() if k not in default or v != default[k]}

    @property
    def options(self) -> EngineOptions:
        """How the engine treated the method."""
        return EngineOptions.of(self)

    @model_validator(mode="after")
    def _rules_are_possible(self) -> Self:
        self.test_conditions()
        return self

    def test_conditions(self) -> list[Condition]:
        """The test conditions that the rules name."""
        required = [*REQUIRED_RULES, *(["folds"] if self.rules.get("split") == "subject" else [])]
        lacking = [key for key in required if key not in self.rules]
        if lacking:
            raise ValueError(f"the rules lack {', '.join(lacking)}")
        rules = dict(self.rules)
        # Into how many groups the people were divided; no key of a protocol, whose seeds say it.
        folds = rules.pop("folds", 1)
        if type(folds) is not int or folds < 1:
            raise ValueError(f"rules.folds: {folds!r} is no number of folds")
        if self.rules.get("split") == "subject" and self.seed >= folds:
            raise ValueError(f"seed {self.seed} is none of the {folds} folds, 0 to {folds - 1}")
        try:
            return Protocol(name=self.protocol, description="", **rules).conditions
        except ValidationError as error:
            key, message = first_wrong(error, "")
            raise ValueError(f"{'.'.join(filter(None, ('rules', key)))}: {message}") from None


class ConditionScores(_Part):
    """The scores of one test condition: what `harbench.evaluation.metrics` says of it.

    All of them but nll and ece follow from the confusion matrix, which is checked.
    """

    scale: Scale
    rate: Annotated[float, Field(ge=0, lt=1)]
    accuracy: Share
    f1_macro: Share
    f1_weighted: Share
    balanced_accuracy: Share
    f1_per_class: list[Share | None]
    nll: Amount
    ece: Share
    confusion: list[list[Count]]
    n: Positive

    @property
    def truth(self) -> list[int]:
        """How many windows each class has."""
        return [sum(row) for row in self.confusion]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        Condition(scale=self.scale, rate=self.rate)
        classes = len(self.confusion)
        if classes < 2 or any(len(row) != classes for row in self.confusion):
            raise ValueError("the confusion matrix is not square with two classes or more")
        total = sum(map(sum, self.confusion))
        if total != self.n:
            raise ValueError(f"the confusion matrix counts {total} windows, n says {self.n}")
        for key, wanted in from_confusion(self.confusion).items():
            if not _agree(getattr(self, key), wanted):
                raise ValueError(f"{key} does not follow from the confusion matrix")
        return self


class SplitFacts(_Part):
    """Sizes of the parts in windows, and how many people the test part has.

    leakage: share of test windows that share samples with a training window; touching: of those
    that share samples with one or adjoin it.
    """

    train: Positive
    validation: Positive
    test: Positive
    labelled: Positive
    test_subjects: Positive
    leakage: Share
    touching: Share
    digest: Digest

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.labelled > self.train:
            raise ValueError(f"{self.labelled} of {self.train} training windows are labelled")
        if self.test_subjects > self.test:
            raise ValueError(f"{self.test_subjects} people gave {self.test} test windows")
        if self.leakage > self.touching:
            raise ValueError("leakage is above touching, of which it is a part")
        return self


class StageCostRecord(_Part):
    """The cost of one stage; cached: it was trained in an earlier run, which took `seconds`."""

    name: str
    epochs: Count
    best_epoch: Count
    seconds: Amount
    cached: bool


class Cost(_Part):
    """peak_memory: bytes (of the process, or of the GPU). windows_per_second: at evaluation."""

    parameters: Count
    stages: list[StageCostRecord]
    peak_memory: Count
    windows_per_second: Amount
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
    """One (method and configuration, dataset, protocol, budget, seed).

    predictions: where its class scores lie, from $HARBENCH_CACHE (see `running.predictions`).
    """

    schema_version: Literal[2] = Field(alias="schema")
    status: Literal["ok"]
    identity: Identity
    variant: str
    conditions: Annotated[list[ConditionScores], Field(min_length=1)]
    split: SplitFacts
    predictions: PredictionsPath
    cost: Cost
    provenance: Provenance

    @property
    def lacking(self) -> list[Condition]:
        """The test conditions of the rules that have no scores."""
        found = {Condition(scale=row.scale, rate=row.rate) for row in self.conditions}
        return [each for each in self.identity.test_conditions() if each not in found]

    @model_validator(mode="after")
    def _fits_its_rules(self) -> Self:
        wanted = self.identity.test_conditions()
        found = [Condition(scale=row.scale, rate=row.rate) for row in self.conditions]
        if len(set(found)) < len(found):
            raise ValueError("a test condition is there twice")
        foreign = [str(each) for each in found if each not in wanted]
        if foreign:
            raise ValueError(f"the rules have no test condition {foreign[0]}")
        if Condition() not in found:
            raise ValueError("the condition clean is missing")
        if len({len(row.confusion) for row in self.conditions}) > 1:
            raise ValueError("the confusion matrices are of different sizes")
        whole = [row for each, row in zip(found, self.conditions, strict=True) if each.whole]
        if len({tuple(row.truth) for row in whole}) > 1:
            raise ValueError("the conditions count other windows of a class, of one test part")
        for condition, row in zip(found, self.conditions, strict=True):
            if row.n > self.split.test or (condition.whole and row.n < self.split.test):
                raise ValueError(f"{condition}: {row.n} of {self.split.test} test windows scored")
        return self


class Failure(_Part):
    """A run that ended without a result; it is tried again by the next call.

    mendable: whether the user can mend the cause (no space, say) rather than we.
    """

    schema_version: Literal[2] = Field(alias="schema")
    status: Literal["failed"]
    identity: Identity
    variant: str
    mendable: bool
    error: str
    traceback: str
    provenance: Provenance


def _agree(found: Any, wanted: Any) -> bool:
    """Whether scores, or lists of scores with None for absent ones, are equal up to rounding."""
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_agree, found, wanted))
    if found is None or wanted is None:
        return found is wanted
    return bool(abs(found - wanted) <= EXACT)
