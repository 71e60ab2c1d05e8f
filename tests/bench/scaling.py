"""How time and memory grow with the number of windows: `tox -e scaling`.

bodysim at several sizes; each step in a process of its own, whose CPU time and peak memory are
noted in results/scaling/bodysim.json and drawn beside it. Free memory is set to 2 GB, so that
what does not fit into a quarter of it is read from the disk in blocks, as on a small machine.
Anonymous memory is what a process holds; pages of the memory-mapped windows come on top, and the
system drops them when it needs room.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import psutil
import torch

from harbench import registry
from harbench.data import source, splits, store
from harbench.data.missing import corruptions
from harbench.data.source import Standardiser, WindowSource
from harbench.evaluation.metrics import scores
from harbench.evaluation.predict import predict
from harbench.method import Budget
from harbench.protocol import Condition, SplitKind
from harbench.training.fit import fit, initial_network
from harbench.training.identity import Training

# Windows of a subject: 8 recordings of 40 s at a step of 10 samples.
PER_SUBJECT = 8 * 191
SIZES = (10_000, 100_000)
LIMIT = 1.5e9
FREE = 2_000_000_000
CONDITIONS = [Condition(), Condition(scale="mixed", rate=0.1)]
Result = dict[str, Any]


def spec(size: int) -> str:
    """bodysim with about `size` windows: 100 steps, 5 sensors x 6 channels.

    Overlapping, so that cutting and storing are measured more than the simulation.
    """
    return f"bodysim+step=10+subjects={round(size / PER_SUBJECT)}"


def training(size: int) -> Training:
    """The CNN, people left out, 15 % labels, one epoch."""
    dataset, method = store.load(spec(size)), registry.method_class("cnn")
    split = splits.split(dataset, "subject", 0.15, 0)
    budget = Budget("bench", 0, 1)
    return Training(method(method.Config()), dataset, split, Condition(), budget, 0, "fp32", "cpu")


def prepare(size: int) -> Callable[[], object]:
    return lambda: store.prepare(spec(size))


def splitting(kind: SplitKind) -> Callable[[int], Callable[[], object]]:
    def step(size: int) -> Callable[[], object]:
        dataset = store.load(spec(size))

        def call() -> None:
            part = splits.split(dataset, kind, 0.15, 0)
            splits.leakage(dataset, part), splits.touching(dataset, part)

        return call

    return step


def corrupt(size: int) -> Callable[[], object]:
    run = training(size)
    return lambda: list(corruptions(CONDITIONS, run.dataset, run.split.test, 0))


def standardise(size: int) -> Callable[[], object]:
    run = training(size)
    return lambda: Standardiser.fit(run.dataset, run.split.train)


def epoch(size: int) -> Callable[[], object]:
    run = training(size)
    return lambda: fit(run)


def evaluate(size: int) -> Callable[[], object]:
    """Clean and mixed 10 %, of an untrained network."""
    run = training(size)
    network = initial_network(run, torch.device("cpu"))
    standardiser = Standardiser.fit(run.dataset, run.split.train)
    true = run.dataset.labels[run.split.test]

    def call() -> None:
        for _, missing in corruptions(CONDITIONS, run.dataset, run.split.test, 0):
            device = torch.device("cpu")
            windows = WindowSource(run.dataset, run.split.test, standardiser, device, missing)
            logits = predict(run.method, network, windows, 0)
            scores(true, logits.argmax(dim=1).numpy(), logits.shape[1])

    return call


STEPS: dict[str, Callable[[int], Callable[[], object]]] = {
    "prepare": prepare,
    **{f"split {kind}": splitting(kind) for kind in get_args(SplitKind)},
    "corrupt": corrupt,
    "standardise": standardise,
    "epoch": epoch,
    "evaluate": evaluate,
}


class Watch(threading.Thread):
    """Peaks of the process's memory, looked at every 20 ms."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.anonymous, self.resident = 0, 0

    def run(self) -> None:
        process = psutil.Process()
        while True:
            memory = process.memory_info()
            self.resident = max(self.resident, memory.rss)
            self.anonymous = max(self.anonymous, memory.rss - memory.shared)
            time.sleep(0.02)


def measure(step: str, size: int) -> Result:
    """One step in this process; what it needs beforehand counts for memory, not for time."""
    torch.set_num_threads(1)
    source._free_memory = lambda _: FREE
    watch = Watch()
    watch.start()
    call = STEPS[step](size)
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    windows = len(store.load(spec(size)))
    memory = {"anonymous": watch.anonymous, "resident": watch.resident}
    return {"step": step, "windows": windows} | spent | memory


def draw(results: list[Result]) -> bytes:
    """CPU time and anonymous memory over windows, with the slope of linear growth."""
    from harbench.analysis.figures.style import MARKERS, encoded, new

    figure = new(7.0, 3.2, 1, 2)
    cpu, memory = figure.axes
    looks = iter(f"{marker}-" for marker in MARKERS)
    sizes = np.array(sorted({result["windows"] for result in results}), dtype=float)
    for step in STEPS:
        mine = sorted(
            (r["windows"], r["cpu"], r["anonymous"]) for r in results if r["step"] == step
        )
        windows, seconds, held = np.array(mine).T
        look = next(looks)
        cpu.plot(windows, seconds, look, markersize=3, linewidth=1, label=step)
        memory.plot(windows, held / 1e9, look, markersize=3, linewidth=1)
    cpu.plot(sizes, sizes / sizes[0] * 0.1, "k:", linewidth=1, label="linear")
    memory.axhline(LIMIT / 1e9, color="k", linestyle=":", linewidth=1)
    cpu.set(xscale="log", yscale="log", xlabel="windows", ylabel="CPU seconds")
    memory.set(xscale="log", xlabel="windows", ylabel="GB held by the process", ylim=(0, None))
    cpu.yaxis.set_major_formatter(lambda seconds, _: f"{seconds:g}")
    for axes in figure.axes:
        axes.set_xticks(sizes, [f"{size / 1000:,.0f} k" for size in sizes])
        axes.set_xticks([], minor=True)
    figure.legend(loc="outside right center", fontsize=6)
    return encoded(figure, ".png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--out", type=Path, default=Path("../results/scaling"))
    parser.add_argument("--only", choices=STEPS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only, arguments.sizes[0])))
        return
    results = []
    for size in arguments.sizes:
        for step in STEPS:
            command = [sys.executable, __file__, "--sizes", str(size), "--only", step]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(answer.stdout))
            print(results[-1], flush=True)
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    arguments.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"free": FREE, **machine, "results": results}, indent=1)
    (arguments.out / "bodysim.json").write_text(content + "\n")
    (arguments.out / "bodysim.png").write_bytes(draw(results))
    if any(result["anonymous"] > LIMIT for result in results):
        sys.exit(f"A step holds more than {LIMIT / 1e9:g} GB.")


if __name__ == "__main__":
    main()
