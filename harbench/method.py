"""What a method is: a network, the stages of its training, and its class scores."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_args

from harbench.errors import HarbenchError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Fault = Literal["segment", "channel", "sensor", "joint", "burst", "stuck", "saturated"]
Augment = Literal["none", "corruption", Fault]
Impute = Literal["zero", "mean", "hold", "linear", "knn", "saits"]
# A search space: one of a list, or a value drawn log-uniformly between the two of a pair.
SearchSpace = Mapping[str, list[Any] | tuple[float, float]]


@dataclass(frozen=True)
class InputShape:
    """Everything that a method may know of a dataset before it sees a window.

    steps T, sensors N, channels C per sensor, classes K. rate: Hz. positions: one (x, y, z) per
    sensor in metres, origin at the pelvis, x right, y forward, z up.
    """

    steps: int
    sensors: int
    channels: int
    classes: int
    rate: float
    positions: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Batch:
    """Standardised windows without labels: all that an unlabelled stage or a prediction sees.

    x: (B, T, N, C) float32, where missing 0 or what the option `impute` says. observed: same shape,
    False where missing, imputed or not.
    generator: the only source of randomness of a loss, on the device of `x`.
    """

    x: Tensor
    observed: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch of a labelled stage. y: (B,) class indices."""

    y: Tensor


@dataclass(frozen=True)
class Patience:
    """Epochs and optimiser steps without improvement on validation windows; the longer counts.

    Counting both makes the patience comparable between methods whose batches differ in size. Better
    than ever before must be macro-F1 or cross-entropy: F1 alone rests for long in slow trainings.
    """

    epochs: int
    steps: int


@dataclass(frozen=True)
class Budget:
    """How long a training may take; part of a result's identity.

    pretrain, supervised: epochs of unlabelled and labelled stages. steps: a labelled stage gets at
    least so many optimiser steps, and more epochs for them where its batches are large. patience:
    when a stage that selects by validation ends early; None: it runs to its end.
    See `harbench.training.length`.
    """

    name: str
    pretrain: int
    supervised: int
    steps: int = 0
    patience: Patience | None = None


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("paper", 200, 100, steps=4000),
        Budget("quick", 40, 40, steps=4000, patience=Patience(10, 500)),
        # As quick, but longer and to the end: for learning curves.
        Budget("long", 40, 40, steps=6000),
        Budget("smoke", 1, 1),
    )
}


def budget(name: str) -> Budget:
    """The budget called `name`; HarbenchError if there is none."""
    if name not in BUDGETS:
        raise unknown("budget", name, BUDGETS)
    return BUDGETS[name]


@dataclass(frozen=True)
class FitStage:
    """A training without gradients: `fit(network, batch)` is called once, with all windows.

    The batch holds every labelled training window (every training window, as a `Batch`, where
    labelled=False). What is learned belongs into the network's state, see `harbench.nn.estimator`.
    """

    name: str
    fit: Callable[[Any, Any], None]
    labelled: bool = True
    epochs: ClassVar[int] = 1


Selection = Literal["last", "validation"]


@dataclass(frozen=True)
class Stage:
    """A training by gradients. The engine owns its loop; the stage only says what is special.

    loss(network, batch) gives the value to minimise, or a dict whose entry "loss" is that value
    and whose other entries are only reported. A batch of a stage with labelled=False is a
    `Batch`, without any label field; otherwise it is a `LabelledBatch`.
    optimizer(parameters) builds the optimiser. schedule(progress) gives the factor of the learning
    rate at each step, progress running from 0 to 1. clip: largest L2 norm of the gradient.
    epochs: of a labelled stage, at least (see `Budget.steps`).
    frozen(network): modules that stay in evaluation mode and are not trained.
    select: "last" keeps the last epoch; "validation" restores the epoch with the highest macro-F1
    on the validation windows (then the lowest cross-entropy, then the earliest) among those that
    were scored: every one, or one in every 25 steps where epochs are shorter.
    """

    name: str
    loss: Callable[[Any, Any], Tensor | dict[str, Tensor]]
    epochs: int
    batch_size: int
    labelled: bool
    optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
    schedule: Callable[[float], float] | None = None
    clip: float | None = None
    frozen: Callable[[Any], Iterable[nn.Module]] | None = None
    select: Selection = "last"

    def __post_init__(self) -> None:
        if self.select not in get_args(Selection):
            raise HarbenchError(
                f"Stage {self.name!r}: {unknown('select', self.select, get_args(Selection))}"
            )


class Method(ABC):
    """One file in methods/. It never touches files, devices, test windows or global randomness.

    Subclasses set the class attributes and implement `build`, `stages`, `logits`, `test_config`.
    `name` equals the file's name; `title` (how people write it) and `colour` (#rrggbb) are what
    tables and figures show: literal strings, the name and some colour where left out. `Config` is
    a frozen dataclass with a default for every field. `presets` maps a dataset's name to
    configuration values that the original authors chose for it; they are that dataset's defaults.
    `named_presets` maps a name that a user may give (`msgnet+preset=original`) to values that
    replace the defaults, but not those of `presets`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    colour: ClassVar[str]
    kind: ClassVar[Literal["supervised", "self-supervised"]]
    reference: ClassVar[str]
    Config: ClassVar[type[Any]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    named_presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def build(self, shape: InputShape) -> nn.Module:
        """The whole network, heads of all stages included, freshly initialised."""

    @abstractmethod
    def stages(self, budget: Budget) -> Sequence[Stage | FitStage]:
        """The training phases in order; at least one is labelled."""

    @abstractmethod
    def logits(self, network: Any, batch: Batch) -> Tensor:
        """Class scores (B, K) of a network in evaluation mode."""

    @classmethod
    @abstractmethod
    def test_config(cls) -> Any:
        """A tiny configuration that trains in a second, for the conformance suite."""

    def rebuild(
        self,
        network: Any,  # noqa: ARG002
        batch: Batch,  # noqa: ARG002
    ) -> Mapping[str, tuple[Tensor, Tensor]]:
        """Scale -> mask and completed windows, both (B, T, N, C), of a pre-trained network.

        For figures; a method that rebuilds nothing leaves it out.
        """
        raise HarbenchError(f"Method {self.name!r} rebuilds nothing.")

    @classmethod
    def search_space(cls) -> SearchSpace:
        """What `harbench tune` may choose, by configuration key; nothing by default."""
        return {}

    @classmethod
    def reproduce(
        cls,
        config: Mapping[str, Any],
        arrays: Mapping[str, Tensor],  # noqa: ARG003
    ) -> dict[str, Tensor]:
        """Outputs at a reference file's sizes, weights and draws, under the recorded names.

        See `harbench.testing.reference`. Raises HarbenchError where a method has no original.
        """
        raise HarbenchError(
            f"Method {cls.name!r} has no comparison with {config.get('variant')!r}."
        )


@dataclass(frozen=True)
class EngineOptions:
    """What the engine does alike with every method; each value that is not the default is a row.

    augment: the fault that labelled training windows suffer at random. impute: what takes the place
    of missing values. indicator: whether the method is told of them by channels of their own.
    pretrain: False leaves out what gradients learn without labels.
    """

    augment: Augment = "none"
    impute: Impute = "zero"
    indicator: bool = False
    pretrain: bool = True

    @classmethod
    def of(cls, holder: object) -> EngineOptions:
        """Those that a record or a search states, each as an attribute of that name."""
        return cls(**{each.name: getattr(holder, each.name) for each in dataclasses.fields(cls)})

    def changed(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        default = dataclasses.asdict(EngineOptions())
        return {k: v for k, v in dataclasses.asdict(self).items() if v != default[k]}


# Options of a run that stand beside a method's own ones, as in `timesnet+augment=corruption`.
BESIDE_CONFIG = frozenset(
    {field.name for field in dataclasses.fields(EngineOptions)} | {"tuned", "precision", "preset"}
)

M = TypeVar("M", bound=type[Method])
METHODS: dict[str, type[Method]] = {}


def register_method(cls: M) -> M:
    """Class decorator: make a method known under its `name`; HarbenchError where it is taken."""
    if not dataclasses.is_dataclass(cls.Config):
        raise TypeError(f"{cls.__name__}.Config must be a frozen dataclass.")
    taken = {field.name for field in dataclasses.fields(cls.Config)} & BESIDE_CONFIG
    if taken:
        raise TypeError(f"{cls.__name__}.Config: {', '.join(taken)} belongs to the engine.")
    other = METHODS.get(cls.name, cls)
    if other.__module__ != cls.__module__:
        raise HarbenchError(
            f"The name {cls.name!r} is taken by {other.__module__}: choose another."
        )
    METHODS[cls.name] = cls
    return cls
