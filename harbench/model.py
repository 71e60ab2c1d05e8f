"""A trained run taken along: a folder with weights and a card, and what it says of new windows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from harbench import registry
from harbench.data import store, tensor_files
from harbench.data.gaps import close_gaps
from harbench.data.impute import ALONE, alone
from harbench.data.paths import cannot_write, write_json
from harbench.data.source import Standardiser, WindowSource
from harbench.data.windows import check_recording, cut
from harbench.dataset import (
    DatasetInfo,
    FloatArray,
    HARDataset,
    Recording,
    WindowOptions,
    info_from_json,
    info_to_json,
)
from harbench.errors import HarbenchError, first_wrong
from harbench.evaluation.predict import Precision, one_thread, predict
from harbench.method import Impute, Method
from harbench.options import as_json, build
from harbench.training import checkpoint
from harbench.training.fit import input_shape
from harbench.training.identity import Training, method_code

WEIGHTS, CARD = "model.safetensors", "model.json"


class Card(BaseModel):
    """What a model is: how to build it, what it expects, and where it comes from.

    info: sensors in their order, channels, units, classes, rate. window: steps of one window.
    max_gap: seconds; no window of a recording crosses a longer pause. fill_gap: seconds; shorter
    gaps of a channel are closed by lines. impute, indicator: as in the record. scores: accuracy
    and macro-F1 of the record on complete test windows, in [0, 1]. record: its identity. packages:
    versions that trained it.
    """

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    method: str
    config: dict[str, Any]
    code: str
    info: dict[str, Any]
    window: int = Field(ge=2)
    max_gap: float = Field(gt=0)
    fill_gap: float = Field(default=0, ge=0)
    impute: Impute
    indicator: bool
    precision: Precision
    seed: int
    scores: dict[str, float]
    record: dict[str, Any]
    packages: dict[str, str]

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.impute not in ALONE:
            raise ValueError(f"impute: {self.impute} needs the training windows")
        try:
            info_from_json(self.info)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"info: {error}") from None
        return self


class Model:
    """``harbench.load("model/")``: classifies raw windows, NaN where a value is missing.

    classes: names in the order of the columns of `predict_proba`. info: sensors and channels in
    the order that windows must have, rate in Hz. card: everything else that is known.
    """

    def __init__(
        self, card: Card, method: Method, network: nn.Module, standardiser: Standardiser
    ) -> None:
        self.card = card
        self.method = method
        self.network = network
        self.standardiser = standardiser
        self.info: DatasetInfo = info_from_json(card.info)
        self.classes = self.info.classes

    def predict_proba(self, windows: Any) -> FloatArray:
        """(n, K) class probabilities of raw windows (n, T, N, C) in the units of training.

        Raises HarbenchError where the shape is another or a value is infinite.
        """
        values = plain(windows)
        shape = (self.card.window, len(self.info.sensors), len(self.info.channels))
        if values.shape[1:] != shape or values.ndim != 4:
            raise HarbenchError(
                f"This model expects windows (n, {', '.join(map(str, shape))}): n windows of "
                f"{shape[0]} steps, {shape[1]} sensors, {shape[2]} channels; got {values.shape}."
            )
        if np.isinf(values).any():
            raise HarbenchError("The windows hold infinite values; use NaN for missing ones.")
        if not len(values):
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        labels = np.zeros(len(values), dtype=np.int64)
        source = WindowSource(
            store.from_arrays(values, labels, self.info),
            np.arange(len(values)),
            self.standardiser,
            next(iter(self.network.parameters()), torch.zeros(0)).device,
        )
        with one_thread():
            logits = predict(self.method, self.network, source, self.card.seed, self.card.precision)
        return np.asarray(torch.softmax(logits, dim=1).numpy())

    def predict(self, windows: Any) -> np.ndarray[Any, Any]:
        """(n,) names of the most probable classes."""
        best = self.predict_proba(windows).argmax(axis=1)
        return np.array([self.classes[index] for index in best], dtype=np.str_)

    def predict_recording(
        self, recording: Recording, step: int | None = None
    ) -> tuple[np.ndarray[Any, Any], FloatArray]:
        """Seconds at which windows of a recording begin (n,), and their probabilities (n, K).

        The recording is brought to the model's rate as in training. step: steps from one window
        to the next, by default half a window.
        """
        size = self.card.window
        if step is not None and step < 1:
            raise HarbenchError(f"step must be a number of steps from 1, got {step}.")
        options = WindowOptions(window=size, step=step or size // 2, max_gap=self.card.max_gap)
        anything = Recording(
            recording.name,
            recording.subject,
            recording.time,
            close_gaps(recording.time, recording.values, self.card.fill_gap),
            np.zeros(len(recording.time), dtype=np.int64),
        )
        check_recording(anything)
        windows = list(cut(anything, self.info.rate, options))
        if not windows:
            raise HarbenchError(
                f"{recording.name}: no stretch without a pause is as long as a window, "
                f"{size / self.info.rate:g} s ({size} steps at {self.info.rate:g} Hz)."
            )
        begins = recording.time[0] + np.array([w.start for w in windows]) / self.info.rate
        return begins, self.predict_proba(np.stack([window.values for window in windows]))


def plain(given: Any) -> FloatArray:
    """An array's values; what a masked array hides is missing, NaN."""
    if isinstance(given, np.ma.MaskedArray):
        given = np.ma.filled(given.astype(np.float32), np.nan)
    return np.asarray(given, dtype=np.float32)


def require_free(folder: Path) -> None:
    """Raise HarbenchError unless `folder` is empty or not there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HarbenchError(f"{folder} is there and not empty: choose another --out.")


def save(model: Model, folder: Path) -> None:
    """Write `model` into `folder`, which must be empty or not there."""
    require_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    tensors = checkpoint.with_prefix("network", dict(model.network.state_dict()))
    tensors["mean"] = torch.from_numpy(model.standardiser.mean)
    tensors["std"] = torch.from_numpy(model.standardiser.std)
    tensor_files.save(folder / WEIGHTS, tensors, {})
    write_json(folder / CARD, model.card.model_dump(mode="json"))


def load(folder: str | Path, method: str = "", device: str = "cpu") -> Model:
    """Read a model that `harbench model export` wrote.

    method: the Python file of a method that is not registered. Raises HarbenchError where files
    are absent or damaged, or where the method's code is not that which was trained.
    """
    folder = Path(folder)
    card = _card(folder / CARD)
    registry.require_no_path(card.method, folder / CARD)
    cls = registry.method_class(method or card.method)
    if cls.name != card.method:
        raise HarbenchError(f"{folder} holds a {card.method!r}, not a {cls.name!r}.")
    if method_code(cls) != card.code:
        raise HarbenchError(
            f"{folder} was trained with other code of method {card.method!r} than is installed "
            f"here; it was harbench {card.packages.get('harbench', '?')}. Train and export anew."
        )
    built = cls(build(cls.Config, card.config, f"{folder / CARD}: method {card.method!r}"))
    found = tensor_files.load(folder / WEIGHTS)
    if found is None:
        raise HarbenchError(f"{folder / WEIGHTS} is absent or damaged. Export the model anew.")
    tensors, _ = found
    network = built.build(input_shape(_like(card), card.indicator))
    try:
        network.load_state_dict(checkpoint.under_prefix("network", tensors))
        standardiser = Standardiser(
            tensors["mean"].numpy(), tensors["std"].numpy(), alone(card.impute), card.indicator
        )
    except (KeyError, RuntimeError) as error:
        raise HarbenchError(f"{folder / WEIGHTS} does not fit its card ({error}).") from None
    if device == "cuda" and not torch.cuda.is_available():
        raise HarbenchError('No CUDA GPU is available to this PyTorch: use device="cpu".')
    return Model(card, built, network.to(torch.device(device)).eval(), standardiser)


def card_of(training: Training, **rest: Any) -> Card:
    """The card of a finished training."""
    method, dataset = training.method, training.dataset
    return Card(
        method=method.name,
        config=as_json(asdict(method.config)),
        code=method_code(type(method)),
        info=as_json(info_to_json(dataset.info)),
        window=dataset.shape[0],
        max_gap=dataset.options.get("max_gap", WindowOptions.max_gap),
        fill_gap=dataset.options.get("fill_gap", 0.0),
        impute=training.options.impute,
        indicator=training.options.indicator,
        precision=training.precision,
        seed=training.seed,
        **rest,
    )


def _card(path: Path) -> Card:
    try:
        return Card.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise HarbenchError(f"{path} is not there: {path.parent} holds no model.") from None
    except OSError as error:
        raise HarbenchError(f"{path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{path}: {key}: {message}.") from None


def _like(card: Card) -> HARDataset:
    """A dataset without windows that has the card's shape."""
    info = info_from_json(card.info)
    windows = np.zeros((0, card.window, len(info.sensors), len(info.channels)), dtype=np.float32)
    return store.from_arrays(windows, np.zeros(0, dtype=np.int64), info)
