"""Equal tuning: the same number of trials for every method, chosen on validation windows only."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harbench import registry
from harbench.data import store
from harbench.data.paths import write_json
from harbench.dataset import HARDataset
from harbench.errors import HarbenchError, needs, one_line
from harbench.evaluation import EVALUATOR
from harbench.evaluation.metrics import scores
from harbench.evaluation.predict import Precision, one_thread, predict
from harbench.method import Method, SearchSpace, budget
from harbench.options import as_json, build, require_searchable
from harbench.running.configure import Configured, configure
from harbench.running.plan import resolve_device
from harbench.running.prepared import protocol_split
from harbench.running.provenance import now, provenance
from harbench.running.store import require_writable
from harbench.running.tuned import (
    Curve,
    Search,
    Trial,
    TuningRecord,
    read_tuning,
    training_rules,
    tuning_path,
)
from harbench.streams import stream_seed
from harbench.training.cache import StageCache
from harbench.training.fit import Fitted, Progress, StageCost, fit, validation_part
from harbench.training.identity import Training, method_code

# Optuna's TPE draws this many trials at random (after the default configuration) before it models.
RANDOM_TRIALS = 5


def tune(
    spec: str,
    dataset_spec: str,
    trials: int,
    root: Path,
    *,
    protocol_name: str = "clean",
    budget_name: str = "quick",
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "fp32",
    settings: Mapping[str, Any] | None = None,
    grid: Mapping[str, list[Any]] | None = None,
    command: str = "harbench.tune",
    report: Callable[[int, Progress], None] = lambda _number, _progress: None,
    ended: Callable[[int, Trial], None] = lambda _number, _trial: None,
) -> tuple[Path, TuningRecord]:
    """Search a method's space with Optuna; the trial table is written after every trial.

    Trial 0 is the default configuration; `settings` and options in `spec` are fixed. A search that
    was ended goes on where it was, with the same trials as an uninterrupted one. Selection is by
    macro-F1 on the validation windows of `seed`; test windows are never touched. Finished stages
    are cached as those of runs are, so that a run with the best configuration trains nothing anew.
    grid: instead of a search, every combination of these values.
    """
    if grid is None:
        needs("optuna", "tune")
    started, spent, protocol = now(), budget(budget_name), registry.protocol(protocol_name)
    place = resolve_device(device, precision)
    dataset = store.load(dataset_spec)
    configured, space = tunable(spec, dataset, settings or {}, grid)
    # As they come back from disk: there are no tuples.
    lists = as_json({key: values for key, values in space.items() if isinstance(values, list)})
    space = {**space, **lists}
    require_writable(root)
    path = tuning_path(root, configured.label, dataset.spec, protocol, spent, seed, grid)
    search = Search(
        method=configured.method.name,
        code=method_code(type(configured.method)),
        evaluator=EVALUATOR,
        config=as_json(asdict(configured.method.config)),
        space={key: _described(values) for key, values in space.items()},
        dataset=dataset.spec,
        fingerprint=dataset.fingerprint,
        rules=training_rules(protocol),
        budget=spent.name,
        precision=precision,
        seed=seed,
        **asdict(configured.options),
    )
    done = _done(path, search)
    split = protocol_split(dataset, protocol, seed)
    base = asdict(configured.method.config)
    listed = combinations(configured.method, grid) if grid is not None else []
    trials = len(listed) or trials
    cache = StageCache.default()
    for number in range(len(done), trials):
        values = listed[number] if listed else _suggest(number, space, done, base, seed)
        cls = type(configured.method)
        method = cls(build(cls.Config, {**base, **values}, f"method {cls.name!r}"))
        training = Training(
            method=method,
            dataset=dataset,
            split=split,
            train_missing=protocol.train_missing,
            budget=spent,
            seed=seed,
            precision=precision,
            device=place,
            options=configured.options,
        )
        done.append(_try(training, values, cache, partial(report, number)))
        ended(number, done[-1])
        write_json(path, _record(search, trials, done, command, started).model_dump(mode="json"))
    record = _record(search, trials, done, command, started)
    if read_tuning(path).wanted != record.wanted:
        # A search that was ended wanted more; what is asked for now is there.
        write_json(path, record.model_dump(mode="json"))
    return path, record


def _record(
    search: Search, wanted: int, done: list[Trial], command: str, started: str
) -> TuningRecord:
    scored = [index for index, trial in enumerate(done) if trial.f1_macro is not None]
    return TuningRecord(
        search=search,
        wanted=max(wanted, len(done)),
        trials=done,
        best=max(scored, key=lambda i: (done[i].f1_macro, -i)) if scored else None,
        provenance=provenance(command, started),
    )


def tunable(
    spec: str,
    dataset: HARDataset,
    settings: Mapping[str, Any],
    grid: Mapping[str, list[Any]] | None = None,
) -> tuple[Configured, SearchSpace]:
    """A method, and its space without what the user has fixed; HarbenchError if nothing is left.

    grid: takes the place of the method's own space; every combination is tried out on the way.
    """
    configured = configure(spec, dataset, settings)
    if grid is not None:
        combinations(configured.method, grid)
        return configured, grid
    options = dict(pair.partition("=")[::2] for pair in spec.split("+")[1:])
    cls = type(configured.method)
    preset = cls.named_presets.get(options.get("preset", ""), {})
    fixed = {*settings, *options, *preset}
    space = {key: values for key, values in cls.search_space().items() if key not in fixed}
    if not space:
        raise HarbenchError(f"Method {configured.method.name!r} leaves nothing to tune.")
    where = f"search_space of method {cls.name!r}"
    require_searchable(cls.Config, space, asdict(configured.method.config), where)
    return configured, space


def combinations(method: Method, grid: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Every combination of a grid's values, as the Config types them.

    The default's come first, also where they are not among the listed ones.
    """
    base, cls = asdict(method.config), type(method)
    products = (dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values()))
    typed = [asdict(build(cls.Config, {**base, **v}, f"method {cls.name!r}")) for v in products]
    found = [{key: base[key] for key in grid}]
    for values in ({key: config[key] for key in grid} for config in typed):
        if values not in found:
            found.append(values)
    return found


def _described(values: list[Any] | tuple[float, float]) -> list[Any] | dict[str, float]:
    """A list stays one; a pair says that it is a range."""
    return values if isinstance(values, list) else {"from": values[0], "to": values[1]}


def _done(path: Path, search: Search) -> list[Trial]:
    """The trials of an earlier, shorter search of the same; none where there is no such record.

    HarbenchError where another search lies there, which would be lost.
    """
    if not path.is_file():
        return []
    record = read_tuning(path)
    if record.search != search:
        other = [key for key, value in search if getattr(record.search, key) != value]
        raise HarbenchError(
            f"{path} holds another search (its {', '.join(other)} differ). Delete it, or write to "
            "another folder: --results"
        )
    return record.trials


def _suggest(
    number: int, space: SearchSpace, done: list[Trial], base: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Values to try: the default first, then what Optuna's TPE proposes after all trials so far.

    What was tried already says nothing new: of a space of lists another combination is drawn for
    it, as long as there is one. The sampler is seeded anew for each trial, so that a search can be
    continued.
    """
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
    )
    from optuna.trial import TrialState, create_trial

    if number == 0:
        return {key: base[key] for key in space}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        # Of lists among the choices, which only Optuna's own storage could not keep.
        warnings.simplefilter("ignore", UserWarning)
        distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values)
            if isinstance(values, list)
            else FloatDistribution(*values, log=True)
            for key, values in space.items()
        }
    sampler = optuna.samplers.TPESampler(
        seed=stream_seed(seed, "tuning", number, bits=32), n_startup_trials=RANDOM_TRIALS
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in done:
        state = TrialState.COMPLETE if trial.f1_macro is not None else TrialState.FAIL
        study.add_trial(
            create_trial(
                state=state, value=trial.f1_macro, params=trial.values, distributions=distributions
            )
        )
    proposed = dict(study.ask(distributions).params)
    tried = [trial.values for trial in done]
    if as_json(proposed) not in tried or not all(isinstance(each, list) for each in space.values()):
        return proposed
    every = (dict(zip(space, each, strict=True)) for each in itertools.product(*space.values()))
    rest = [values for values in every if as_json(values) not in tried]
    draw = np.random.default_rng(stream_seed(seed, "untried", number, bits=32))
    return rest[draw.integers(len(rest))] if rest else proposed


def _try(
    training: Training,
    values: dict[str, Any],
    cache: StageCache,
    report: Callable[[Progress], None],
) -> Trial:
    """Train once and score the validation windows; a training that fails is a trial, too.

    A file that cannot be written is no fault of the values, and ends the search.
    """
    begun = time.perf_counter()
    stages: list[Curve] = []
    try:
        with one_thread():
            fitted = fit(training, cache, report)
            score: float | None = validation_f1(training, fitted)
        stages, error = [curve_of(cost) for cost in fitted.stages], ""
    except Exception as failed:  # a method may raise anything for values that it cannot have
        if isinstance(failed, OSError) or isinstance(failed.__cause__, OSError):
            raise
        score, error = None, one_line(failed)
    seconds = round(time.perf_counter() - begun, 1)
    return Trial(
        values=as_json(values), f1_macro=score, seconds=seconds, error=error, stages=stages
    )


def curve_of(cost: StageCost) -> Curve:
    """What a stage's history says of validation windows."""
    scored = [i + 1 for i, line in enumerate(cost.history) if "validation_f1" in line]
    lines = [cost.history[i - 1] for i in scored]
    return Curve(
        stage=cost.name,
        epochs=cost.epochs,
        steps=cost.steps,
        best_epoch=cost.best_epoch,
        seconds=round(cost.seconds, 1),
        scored=scored,
        validation_f1=[round(line["validation_f1"], 4) for line in lines],
        validation_loss=[round(line["validation_loss"], 4) for line in lines],
    )


def validation_f1(training: Training, fitted: Fitted) -> float:
    """Macro-F1 of a trained network on the validation windows."""
    part = validation_part(training, fitted.standardiser)
    method: Method = training.method
    logits = predict(method, fitted.network, part.source, training.seed, training.precision)
    predicted = torch.argmax(logits, dim=1).numpy().astype(np.int64)
    return scores(part.y.cpu().numpy(), predicted, logits.shape[1])["f1_macro"]
