"""What every method must do, whatever it is: `harbench check`, and pytest over `CHECKS`.

A check is a function of a method's name (or the path of its file) that raises CheckError.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harbench import registry
from harbench.errors import HarbenchError, one_line
from harbench.evaluation.predict import one_thread
from harbench.method import EngineOptions, FitStage, LabelledBatch, Stage
from harbench.options import build, differences, require_searchable
from harbench.testing.devices import computes_where_its_batch_is
from harbench.testing.leakage import PROBES, CheckError
from harbench.testing.windows import (
    BUDGET,
    CLASSES,
    COUNT,
    Shape,
    made_up,
    scores,
    stage_data,
    training,
)
from harbench.training.cache import StageCache
from harbench.training.fit import Progress, fit, initial_network
from harbench.training.loop import train

SHAPES: dict[str, Shape] = {"wrist": (40, 2, 3), "body": (50, 5, 9), "one channel": (37, 1, 1)}
WRIST = SHAPES["wrist"]


def require(condition: bool, message: str) -> None:
    """Raise CheckError unless `condition` holds."""
    if not condition:
        raise CheckError(message)


def declares_itself(name: str) -> None:
    """Configurations can be read from text; the search space is one of the default's keys."""
    cls = registry.method_class(name)
    default = cls.Config()
    require(bool(cls.reference), "reference is empty")
    require(cls.kind in ("supervised", "self-supervised"), f"kind is {cls.kind!r}")
    tiny = differences(cls.test_config(), default)
    require(cls(cls.test_config()).config == build(cls.Config, tiny, name), "test_config")
    stages = cls(default).stages(BUDGET)
    require(any(stage.labelled for stage in stages), "no stage sees a label")
    names = [stage.name for stage in stages]
    require(len(set(names)) == len(names), f"two stages have one name: {names}")
    for preset in (*cls.presets.values(), *cls.named_presets.values()):
        build(cls.Config, preset, name)
    where = f"search_space of {name}"
    require_searchable(cls.Config, cls.search_space(), asdict(default), where)


def trains_on_any_shape(name: str) -> None:
    """Two epochs on a few shapes; every score is finite, probabilities sum to 1."""
    for label, shape in SHAPES.items():
        plan = training(name, made_up(shape))
        found = scores(plan, fit(plan))
        wanted = (len(plan.split.test), CLASSES)
        require(found.shape == wanted, f"{label}: scores {tuple(found.shape)}, expected {wanted}")
        require(bool(found.isfinite().all()), f"{label}: a score is not finite")
        sums = torch.softmax(found, dim=1).sum(dim=1)
        require(bool((sums - 1).abs().max() < 1e-5), f"{label}: probabilities do not sum to 1")


def repeats_by_seed(name: str) -> None:
    """The same seed gives the same bits."""
    plan = training(name, made_up(WRIST))
    require(torch.equal(scores(plan, fit(plan)), scores(plan, fit(plan))), "two trainings differ")


def scores_each_window_alone(name: str) -> None:
    """A window's scores do not depend on which other windows are scored with it."""
    plan = training(name, made_up(WRIST))
    fitted = fit(plan)
    together = scores(plan, fitted)
    alone = torch.cat([scores(plan, fitted, row[None]) for row in plan.split.test])
    _close(alone, together, "scores depend on the batch")


def survives_save_and_load(name: str) -> None:
    """What is learned lies in the network's state: a fresh network that loads it scores alike."""
    plan = training(name, made_up(WRIST))
    with tempfile.TemporaryDirectory() as folder:
        cache = StageCache(Path(folder))
        first = scores(plan, fit(plan, cache))
        again = fit(plan, cache)
        require(all(stage.cached for stage in again.stages), "a finished stage was not loaded")
        require(torch.equal(scores(plan, again), first), "scores differ after loading")


class _KilledError(Exception):
    """Ends a training after an epoch."""


def resumes_to_the_bit(name: str) -> None:
    """Killed after the first epoch of any stage and begun again, a training ends the same."""
    plan = training(name, made_up(WRIST))
    whole = scores(plan, fit(plan))

    def kill(stage: str, progress: Progress) -> None:
        if progress.stage == stage and progress.epoch == 1:
            raise _KilledError

    for stage in (each for each in plan.stages() if isinstance(each, Stage)):
        with tempfile.TemporaryDirectory() as folder:
            cache = StageCache(Path(folder))
            with suppress(_KilledError):
                fit(plan, cache, partial(kill, stage.name))
            same = torch.equal(scores(plan, fit(plan, cache)), whole)
            require(same, f"killed in stage {stage.name!r} and resumed, it learns something else")


def accepts_missing_data(name: str) -> None:
    """A fifth of the values and a whole channel are missing."""
    plan = training(name, made_up(SHAPES["body"], missing=0.2))
    found = scores(plan, fit(plan))
    require(bool(found.isfinite().all()), "a score is not finite")


def accepts_imputed_windows_with_the_indicator(name: str) -> None:
    """Gaps are filled, and the observed mask doubles the channels."""
    options = EngineOptions(impute="linear", indicator=True)
    plan = training(name, made_up(WRIST, missing=0.2), options=options)
    fitted = fit(plan)
    together = scores(plan, fitted)
    require(bool(together.isfinite().all()), "a score is not finite")
    alone = torch.cat([scores(plan, fitted, row[None]) for row in plan.split.test])
    _close(alone, together, "scores depend on the batch")


def leaves_inputs_and_randomness_alone(name: str) -> None:
    """Batches are not written to; global random generators are not used up."""
    plan = training(name, made_up(WRIST))
    network = initial_network(plan, torch.device("cpu"))
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(COUNT, *WRIST, generator=draws)
    observed = torch.rand(x.shape, generator=draws) < 0.9
    x = x * observed
    y = torch.arange(COUNT) % CLASSES
    kept = (x.clone(), observed.clone(), y.clone())
    batch = LabelledBatch(x, observed, draws, y)
    legacy = _numpy_state()
    state = torch.get_rng_state()
    for stage in plan.method.stages(plan.budget):
        if isinstance(stage, FitStage):
            stage.fit(network.train(), batch)
        else:
            stage.loss(network.eval(), batch)
    plan.method.logits(network.eval(), batch)
    for what, now, before in zip(("x", "observed", "y"), (x, observed, y), kept, strict=True):
        require(torch.equal(now, before), f"batch.{what} was changed in place")
    require(torch.equal(torch.get_rng_state(), state), "torch's global generator was used")
    require(_numpy_state() == legacy, "NumPy's global generator was used")


def trains_what_it_says(name: str) -> None:
    """A stage by gradients changes weights, but nothing of the modules that it freezes."""
    plan = training(name, made_up(WRIST))
    network = initial_network(plan, torch.device("cpu"))
    for stage in plan.method.stages(BUDGET):
        if not isinstance(stage, Stage):
            continue
        frozen = list(stage.frozen(network)) if stage.frozen else []
        held_before = [_copy(module.state_dict()) for module in frozen]
        before = _copy(network.state_dict())
        train(plan, stage, network, stage_data(plan, stage), None, _silent)
        now = network.state_dict()
        changed = any(not torch.equal(value, now[key]) for key, value in before.items())
        require(changed, f"stage {stage.name!r} changes nothing")
        for module, held in zip(frozen, held_before, strict=True):
            state = module.state_dict()
            same = all(torch.equal(value, state[key]) for key, value in held.items())
            require(same, f"stage {stage.name!r} changes what it freezes")


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in state.items()}


def _numpy_state() -> str:
    return repr(np.random.get_state())  # noqa: NPY002


def _silent(*_: object) -> None:
    pass


def _close(found: Tensor, wanted: Tensor, message: str) -> None:
    off = float((found - wanted).abs().max())
    limit = 1e-5 + 1e-4 * float(wanted.abs().max())
    require(off <= limit, f"{message}: by up to {off:.2g}")


CHECKS: dict[str, Callable[[str], None]] = {
    check.__name__.replace("_", " "): check
    for check in (
        declares_itself,
        trains_on_any_shape,
        repeats_by_seed,
        scores_each_window_alone,
        survives_save_and_load,
        resumes_to_the_bit,
        accepts_missing_data,
        accepts_imputed_windows_with_the_indicator,
        leaves_inputs_and_randomness_alone,
        trains_what_it_says,
        computes_where_its_batch_is,
        *PROBES,
    )
}


def check(name: str, which: str) -> str:
    """Run one check; the reason why it failed, or an empty text."""
    try:
        # Of such small networks a second thread makes training slower, not faster.
        with torch.random.fork_rng(), one_thread():
            CHECKS[which](name)
    except (CheckError, HarbenchError) as failed:
        return str(failed)
    except Exception as error:  # a method under check may raise anything
        return one_line(error)
    return ""
