"""What a protocol is: one TOML file that fixes everything but method, dataset and seed."""

from __future__ import annotations

import hashlib
import importlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from harbench.errors import HarbenchError, first_wrong, unknown

# In the order in which test conditions are shown everywhere.
Corruption = Literal["mixed", "segment", "channel", "sensor"]
Loss = Literal["joint", "blackout", "strap", "burst", "stuck", "saturated"]
Subset = Literal["complete", "gaps"]
Scale = Literal["clean", Corruption, Loss, "replay", Subset]
ORDER: dict[str, int] = {scale: place for place, scale in enumerate(get_args(Scale))}
# Without a second sensor these would leave nothing.
OF_SENSORS = frozenset({"sensor", "blackout", "strap", "burst"})
# Rules that a record lacks where the protocol does not use them.
NEWER = ("losses", "replay")
Metric = Literal["accuracy", "f1_macro", "f1_weighted", "balanced_accuracy"]
SplitKind = Literal["random", "subject", "loso", "recording"]


def _number(value: object) -> object:
    # pydantic would read true as 1.
    if isinstance(value, bool):
        raise ValueError("write a number, not true or false")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Part):
    """One way of testing: `rate` of the data is lost at `scale`, or nothing but what is missing.

    clean: all windows as they are; complete: only those that lack nothing; gaps: only those that
    lack values of their own; replay: the complete ones with gaps of others, as many as those have.
    """

    scale: Scale = "clean"
    rate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def corrupts(self) -> bool:
        """Whether anything is taken away from the windows."""
        return self.scale not in ("clean", *get_args(Subset))

    @property
    def whole(self) -> bool:
        """Whether all test windows are scored."""
        return self.scale not in ("replay", *get_args(Subset))

    @model_validator(mode="after")
    def _only_corruption_has_a_rate(self) -> Self:
        rated = (*get_args(Corruption), *get_args(Loss))
        if (self.scale in rated) != (self.rate > 0):
            named = ", ".join(rated)
            raise ValueError(f"a rate above 0 goes with the scales {named}, and only with them")
        return self

    def __str__(self) -> str:
        return f"{self.scale} {100 * self.rate:g} %" if self.rate else self.scale


class Headline(Condition):
    """The one number that a protocol stands for."""

    metric: Metric = "f1_macro"


class Significance(_Part):
    """The test of the protocol's significance statement, fixed before any result is seen.

    rows: the comparisons with the control that share the error rate, run or not; none: those shown.
    """

    test: Literal["nb-t", "signflip", "wilcoxon"] = "nb-t"
    rows: tuple[str, ...] = ()
    family: Literal["column", "table"] = "column"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05


class Replay(_Part):
    """The file of gaps that the scale `replay` applies (see `harbench data gaps`).

    name: the file's, without its ending. sha256: of its content; with it a record says what was
    replayed. path: where it lies here, which is no rule.
    """

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    path: Annotated[Path | None, Field(exclude=True, repr=False)] = None


Rate = Annotated[float, Field(gt=0, lt=1)]


class Protocol(_Part):
    """The shared rules of a comparison.

    seeds: default seeds; for split "loso" the word "subjects" (seed s leaves out subject s), for
    split "subject" its folds 0, 1, ..., n - 1 (over all of them everybody is tested once).
    label_fraction: labelled share of the training windows. scales: how test windows are
    corrupted, at every rate; complete and gaps stand for the windows without and with missing
    values of their own. losses: further corruptions, each with its own rates. replay: whose gaps
    complete windows are given. train_missing: corruption of the training and validation windows.
    variants: label -> configuration values of the method; a protocol with several is a sweep.
    """

    name: str
    description: str
    split: SplitKind = "random"
    label_fraction: Annotated[float, Field(gt=0, le=1), BeforeValidator(_number)] = 0.15
    seeds: tuple[Annotated[int, Field(ge=0, lt=10**9)], ...] | Literal["subjects"] = (0, 1, 2, 3, 4)
    scales: tuple[Literal[Corruption, Subset], ...] = ()
    rates: tuple[Rate, ...] = ()
    losses: dict[Loss, Annotated[tuple[Rate, ...], Field(min_length=1)]] = {}
    replay: Replay | None = None
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
        """Every test condition once, by scale in the ORDER of scales, then by rate."""
        found = {Condition(), *([Condition(scale="replay")] if self.replay else [])}
        for scale in self.scales:
            rates = (0.0,) if scale in get_args(Subset) else self.rates
            found |= {Condition(scale=scale, rate=rate) for rate in rates}
        for loss, own in self.losses.items():
            found |= {Condition(scale=loss, rate=rate) for rate in own}
        return sorted(found, key=lambda each: (ORDER[each.scale], each.rate))

    def fitting(self, sensors: int, channels: int) -> Self:
        """The protocol without what windows of `sensors` x `channels` cannot lose.

        One sensor cannot be lost as a whole, nor can the only channel; `mixed` then draws from
        the other scales. A headline that is left out becomes the clean condition.
        """
        impossible = OF_SENSORS if sensors == 1 else set()
        impossible |= {"channel"} if sensors * channels == 1 else set()
        if not impossible & {*self.scales, *self.losses}:
            return self
        scales = tuple(scale for scale in self.scales if scale not in impossible)
        losses = {scale: rates for scale, rates in self.losses.items() if scale not in impossible}
        kept = self.headline
        if kept.scale in impossible:
            kept = Headline(metric=kept.metric)
        return self.model_copy(update={"scales": scales, "losses": losses, "headline": kept})

    def rules(self) -> dict[str, Any]:
        """What every record states of the protocol: all but its words and how it compares."""
        said = {"name", "description", "seeds", "headline", "metrics", "significance", "variants"}
        rules = self.model_dump(mode="json", exclude=said)
        # Records that were made before protocols had these keys stay equal to new ones.
        rules = {key: value for key, value in rules.items() if key not in NEWER or value}
        if self.split == "subject":
            rules["folds"] = self.folds
        return rules

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.seeds == "subjects" and self.split != "loso":
            raise ValueError('seeds = "subjects" goes with split = "loso" only')
        if not self.seeds:
            raise ValueError("seeds is empty: name at least one seed, as in [0, 1, 2]")
        if self.seeds != "subjects" and len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds names a seed twice")
        values = [json.dumps(each, sort_keys=True, default=str) for each in self.variants.values()]
        if len(set(values)) < len(values):
            raise ValueError("two variants have the same values, and would be one row")
        if not self.variants:
            raise ValueError('variants is empty: leave the key out for the one variant ""')
        if self.split == "subject" and self.seeds != tuple(range(len(self.seeds))):
            raise ValueError("the seeds of a subject split are its folds: write [0, 1, ..., n - 1]")
        if self.train_missing.scale in ("replay", *get_args(Subset)):
            raise ValueError(
                f"train_missing cannot be {self.train_missing}: write a scale that takes data away"
            )
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
    if "replay" in values:
        values["replay"] = _replay(path, values["replay"])
    try:
        found = Protocol.model_validate({**values, "name": path.stem})
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{path}: {key}: {message}.") from None
    # Not of every protocol: one fitted to a single sensor may have lost its scales.
    if bool({*found.scales} - {*get_args(Subset)}) != bool(found.rates):
        raise HarbenchError(
            f"{path}: scales and rates go together, because each scale is tested at each rate: "
            f"{'rates' if found.scales else 'scales'} is empty."
        )
    return found


def shipped_gaps() -> dict[str, Path]:
    """The suite's files of gaps by name."""
    own = importlib.import_module("harbench.protocols").__path__
    return {file.stem: file for folder in own for file in Path(folder).glob("*.json")}


def _replay(path: Path, text: object) -> Replay:
    """The file of gaps that a protocol names: one beside it, or one of the suite's by name."""
    if not isinstance(text, str):
        raise HarbenchError(f'{path}: replay: write the name of a file of gaps, as in "mine.json".')
    shipped = shipped_gaps()
    place = path.parent / text if text.endswith(".json") else shipped.get(text)
    if place is None:
        raise HarbenchError(f"{path}: replay: {unknown('file of gaps', text, shipped)}")
    try:
        content = place.read_bytes()
    except OSError as error:
        raise HarbenchError(
            f"{path}: replay: cannot read {place}: {error.strerror}. Make one: harbench data gaps."
        ) from None
    return Replay(name=place.stem, sha256=hashlib.sha256(content).hexdigest(), path=place)
