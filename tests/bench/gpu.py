"""What a GPU is worth, as one JSON: see gpu.sh, which keeps it inside nine minutes.

equality: trained on the CPU, scored on both. steps: milliseconds of a training step of every stage,
as it is and replayed as a CUDA graph. side_by_side: steps per second of K processes on one device.
projected: hours of a protocol's five seeds from these steps, if no stage ends early.
`--device cpu` tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch

from harbench import registry
from harbench.data.paths import write_json
from harbench.errors import TrainingError, one_line
from harbench.method import BUDGETS, LabelledBatch, Stage
from harbench.running.grid import Grid
from harbench.running.plan import make_plan, training_of
from harbench.running.prepared import Prepared
from harbench.running.provenance import now, provenance
from harbench.testing.bench import SHAPE, step, windows
from harbench.testing.windows import made_up, scores, training
from harbench.training import steps
from harbench.training.fit import Fitted, fit, stage_lengths
from harbench.training.loop import set_mode, trained_parameters
from harbench.training.steps import Cuda, GraphedStep

WARM_UP = 3
NINE = ("robusthar", "reformer", "informer", "timesnet", "msgnet", "simmtm", "maskcae",
        "std_mae", "st_mae")  # fmt: skip


def wait(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def stages(name: str) -> Iterator[tuple[Stage, torch.nn.Module]]:
    """Every stage with gradients of a method, with a new network, in the shape of DSADS."""
    cls = registry.method_class(name)
    method = cls(cls.Config())
    for stage in method.stages(BUDGETS["quick"]):
        if isinstance(stage, Stage):
            torch.manual_seed(0)
            yield stage, method.build(SHAPE)


def on(device: str, size: int) -> LabelledBatch:
    """A batch of made-up windows on a device."""
    batch = windows(size)
    generator = torch.Generator(device).manual_seed(0)
    return LabelledBatch(batch.x.to(device), batch.observed.to(device), generator,
                         batch.y.to(device))  # fmt: skip


def milliseconds(call: Callable[[], None], device: str, seconds: float) -> float:
    """Mean time of a call, measured over that many seconds after a warm-up."""
    for _ in range(WARM_UP):
        call()
    wait(device)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        call()
        count += 1
    wait(device)
    return 1000 * (time.perf_counter() - begun) / count


def graphed(stage: Stage, network: torch.nn.Module, batch: LabelledBatch) -> Callable[[], None]:
    """The step as training replays it; TrainingError says why there is no graph."""
    set_mode(stage, network)
    with trained_parameters(stage, network) as trained:
        step = GraphedStep(stage, network, stage.optimizer(iter(trained)), trained, Cuda())
        for _ in range(steps.WARM_UP + 2 * steps.TIMED):
            step(batch, 0.0)
    if step.why:
        raise TrainingError(step.why)

    def take() -> None:
        step(batch, 0.0)

    return take


def equality(name: str, device: str) -> dict[str, Any]:
    """How far the scores of one network are apart on the two devices."""
    data = made_up((25, 3, 2))
    ours = training(name, data)
    fitted = fit(ours)
    moved = Fitted(fitted.network.to(device), fitted.standardiser, fitted.stages)
    there = scores(training(name, data, device), moved)
    fitted.network.to("cpu")
    return {"method": name, "largest_difference": float((there - scores(ours, fitted)).abs().max())}


def stage_steps(name: str, device: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Every stage of a method: milliseconds of a step, and of its graph or why there is none."""
    for stage, network in stages(name):
        batch = on(device, stage.batch_size)
        take = step(stage, stage.loss, network.to(device), batch)
        found = {"method": name, "stage": stage.name, "batch": stage.batch_size,
                 "milliseconds": milliseconds(take, device, seconds)}  # fmt: skip
        if device == "cuda":
            try:
                found["graph"] = milliseconds(graphed(stage, network, batch), device, seconds)
            except TrainingError as error:
                found["no_graph"] = one_line(error)
        yield found


def side_by_side(name: str, device: str, count: int, seconds: float) -> dict[str, Any]:
    """Steps per second of a method's last stage in so many processes at once."""
    command = [sys.executable, __file__, "--worker", name, "--device", device,
               "--seconds", str(seconds)]  # fmt: skip
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for each in workers:
        assert each.stdout is not None
        each.stdout.readline()  # it is warm
    for each in workers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    answers = [each.communicate()[0] for each in workers]
    return {"method": name, "processes": count,
            "steps_per_second": sum(1000 / float(each) for each in answers)}  # fmt: skip


def work(name: str, device: str, seconds: float) -> None:
    """One of the processes of `side_by_side`: says that it is warm, waits, says milliseconds."""
    *_, (stage, network) = stages(name)
    take = step(stage, stage.loss, network.to(device), on(device, stage.batch_size))
    milliseconds(take, device, 0.1)
    print("warm", flush=True)
    sys.stdin.readline()
    print(milliseconds(take, device, seconds), flush=True)


def projected(found: list[dict[str, Any]], dataset: str) -> dict[str, Any]:
    """Hours of training of five seeds at `paper`: steps of every stage times their milliseconds."""
    prepared, hours = Prepared(), {}
    for name in {each["method"]: None for each in found}:
        (run,) = make_plan(Grid([name], ["clean"], [dataset], [0], "paper", "cpu"))
        lengths = stage_lengths(training_of(run, prepared.dataset(run.source)))
        per_step = [e.get("graph", e["milliseconds"]) for e in found if e["method"] == name]
        seconds = sum(n.total_steps * ms / 1000 for n, ms in zip(lengths, per_step, strict=True))
        hours[name] = 5 * seconds / 3600
    return {"dataset": dataset, "hours": hours, "sum": sum(hours.values())}


def main() -> None:
    """Measure and write; what has been measured is written even if a later part fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--methods", default=",".join(NINE))
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--dataset", default="spar")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker, given.device, given.seconds)
        return
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("No CUDA GPU is available to this PyTorch: --device cpu tries the script.")
    names, started = given.methods.split(","), now()
    card = torch.cuda.get_device_name() if given.device == "cuda" else "cpu"
    parts: dict[str, Any] = {"device": card, "equality": [], "steps": [], "side_by_side": []}

    def add(part: str, found: dict[str, Any]) -> None:
        parts[part].append(found)
        print(json.dumps(found), flush=True)
        made = provenance("tests/bench/gpu.py", started).model_dump(mode="json")
        write_json(given.out, {**parts, **made})

    for name in names:
        for found in stage_steps(name, given.device, given.seconds):
            add("steps", found)
    for count in map(int, given.processes.split(",")):
        add("side_by_side", side_by_side("robusthar", given.device, count, given.seconds))
    for name in names:
        add("equality", equality(name, given.device))
    parts["projected"] = []
    add("projected", projected(cast(list[dict[str, Any]], parts["steps"]), given.dataset))


if __name__ == "__main__":
    main()
