"""What a protocol is: one TOML file that fixes everything but method, dataset and seed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harbench.errors import HarbenchError, unknown

Corruption = Literal["segment", "channel", "sensor", "mixed"]
Subset = Literal["complete", "gaps"]
Scale = Literal["clean", Corruption, Subset]
Metric = Literal["accuracy", "f1_macro", "f1_weighted", "balanced_accuracy"]
SplitKind = Literal["random", "subject", "loso", "recording"]


# The eight that the paper compares with.
BASELINES = (
    "timesnet",
    "msgnet",
    "informer",
    "reformer",
    "st_mae",
    "std_mae",
    "maskcae",
    "simmtm",
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """One way of testing: `rate` of the data is lost at `scale`, or nothing but what is missing.

    clean: all windows as they are; complete: only those that lack nothing; gaps: only those that
    lack values of their own.
    """

    scale: Scale = "clean"
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def corrupts(self) -> bool:
        """Whether anything is taken away from the windows."""
        return self.scale in get_args(Corruption)

    @model_validator(mode="after")
    def _only_corruption_has_a_rate(self) -> Self:
        if self.corrupts != (self.rate > 0):
            named = ", ".join(get_args(Corruption))
            raise ValueError(f"a rate above 0 goes with the scales {named}, and only with them")
        return self

    def __str__(self) -> str:
        return f"{self.scale} {100 * self.rate:g} %" if self.corrupts else self.scale


class Headline(Condition):
    """The one number that a protocol stands for."""

    metric: Metric = "f1_macro"


class Significance(_Part):
    """The test of the protocol's significance statement, fixed before any result is seen.

    rows: the comparisons with the control that share the error rate, run or not.
    """

    test: str = "nb-t"
    rows: tuple[str, ...] = BASELINES
    family: Literal["column", "table"] = "column"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Protocol(_Part):
    """The shared rules of a comparison.

    seeds: default seeds; for split "loso" the word "subjects" (seed s leaves out subject s), for
    split "subject" its folds 0, 1, ..., n - 1 (over all of them everybody is tested once).
    label_fraction: labelled share of the training windows. scales: how test windows are
    corrupted, at every rate; complete and gaps stand for the windows without and with missing
    values of their own. train_missing: corruption of the training and validation windows, too.
    variants: label -> configuration values of the method; a protocol with several is a sweep.
    """

    name: str
    description: str
    split: SplitKind = "random"
    label_fraction: Annotated[float, Field(gt=0, le=1)] = 0.15
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | Literal["subjects"] = (0, 1, 2, 3, 4)
    scales: tuple[Literal[Corruption, Subset], ...] = ()
    rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    train_missing: Condition = Condition()
    metrics: tuple[Metric, ...] = ("accuracy", "f1_macro", "f1_weighted", "balanced_accuracy")
    headline: Headline = Headline()
    significance: Significance = Significance()
    variants: dict[str, dict[str, Any]] = {"": {}}

    @property
    def folds(self) -> int:
        """Into how many groups a subject split divides the people: one seed tests each."""
        return len(self.seeds)

    @property
    def conditions(self) -> list[Condition]:
        """Clean first, then subsets of it, then every corruption at every rate."""
        subsets = [Condition(scale=s) for s in self.scales if s in get_args(Subset)]
        corruptions = [s for s in self.scales if s not in get_args(Subset)]
        corrupted = [Condition(scale=s, rate=r) for r in self.rates for s in corruptions]
        return [Condition(), *subsets, *corrupted]

    def fitting(self, sensors: int, channels: int) -> Self:
        """The protocol without what windows of `sensors` x `channels` cannot lose.

        One sensor cannot be lost as a whole, nor can the only channel; `mixed` then draws from
        the other scales. A headline that is left out becomes the clean condition.
        """
        impossible = {"sensor"} if sensors == 1 else set()
        impossible |= {"channel"} if sensors * channels == 1 else set()
        if not impossible & set(self.scales):
            return self
        scales = tuple(scale for scale in self.scales if scale not in impossible)
        kept = self.headline
        if kept.scale in impossible:
            kept = Headline(metric=kept.metric)
        return self.model_copy(update={"scales": scales, "headline": kept})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.seeds == "subjects" and self.split != "loso":
            raise ValueError('seeds = "subjects" goes with split = "loso" only')
        if self.split == "subject" and self.seeds != tuple(range(len(self.seeds))):
            raise ValueError("the seeds of a subject split are its folds: write [0, 1, ..., n - 1]")
        if self.train_missing.scale in get_args(Subset):
            raise ValueError(f"train_missing cannot be {self.train_missing}: it takes data away")
        wanted = Condition(scale=self.headline.scale, rate=self.headline.rate)
        if wanted not in self.conditions:
            raise ValueError(f"the headline condition ({wanted}) is not among the test conditions")
        return self


def read_protocol(path: Path) -> Protocol:
    """Read and check one protocol file; its name is the file's name.

    Raises HarbenchError that names the file, the key and the nearest known key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarbenchError(f"{path}: not valid TOML: {error}.") from None
    known = set(Protocol.model_fields) - {"name"}
    for key in values:
        if key not in known:
            raise HarbenchError(f"{path}: {unknown('key', key, known)}")
    try:
        return Protocol.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "file"
        message = first["msg"].removeprefix("Value error, ")
        raise HarbenchError(f"{path}: {key}: {message}.") from None
