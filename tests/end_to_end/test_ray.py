"""A real Ray cluster of several nodes on this machine: the records of one machine, and no less."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from end_to_end.commands import DATASET, Cli, read

from harbench.data import store

OPTIONS = ("--set", "width=8", "--set", "layers=1")
RUN = ("run", "--method", "cnn", "--dataset", DATASET, *OPTIONS, "--seeds", "0-2")


def test_ray_that_is_not_installed_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = cli(*RUN, "--protocol", "clean", "--budget", "smoke", "--executor", "ray")
    assert answer.code == 2 and "pip install 'harbench[ray]'" in answer.err


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without places, and two nodes with one each."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'harbench[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        found.nodes = [found.add_node(num_cpus=1) for _ in range(2)]
        found.wait_for_nodes()
        yield found
    finally:
        found.shutdown()


def begun(cluster: Any, tmp_path: Path, partly: int) -> subprocess.Popen[str]:
    """The command on the cluster, once so many runs have trained an epoch."""
    store.load(DATASET)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "harbench", *RUN, "--budget", "quick"),
            *("--protocol", "clean", "--protocol", "missing-10"),
            *("--executor", "ray", "--address", cluster.address),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Ray starts its workers with low priority: on a busy machine that takes minutes.
    stages, deadline = tmp_path / "cache" / "stages", time.monotonic() + 500
    while len(list(stages.glob("*.partial.safetensors"))) < partly:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"no task has begun: {process.communicate()}")
        time.sleep(0.02)
    return process


def lasting(results: Path) -> dict[str, str]:
    """The bytes of each record, without who made it and what it took."""
    found = {}
    for path in results.rglob("seed-*.json"):
        record = read(path)
        cost = record.pop("cost")
        del record["provenance"]
        stages = [{k: s[k] for k in ("name", "epochs", "best_epoch")} for s in cost["stages"]]
        record["cost"] = {"parameters": cost["parameters"], "stages": stages}
        found[str(path.relative_to(results))] = json.dumps(record)
    return found


@pytest.mark.slow
def test_a_node_is_lost_and_no_record_differs(cluster: Any, cli: Cli, tmp_path: Path) -> None:
    process = begun(cluster, tmp_path, partly=2)
    cluster.remove_node(cluster.nodes[0], allow_graceful=False)
    out, errors = process.communicate(timeout=1500)
    assert process.returncode == 0, out + errors
    assert "is tried again: Its Ray worker or node is gone" in errors
    assert "Traceback" not in out + errors and "[6/6]" in out
    os.environ["HARBENCH_CACHE"] = str(tmp_path / "local-cache")
    arguments = ("--budget", "quick", "--protocol", "clean", "--protocol", "missing-10")
    assert cli(*RUN, *arguments, "--results", tmp_path / "local").code == 0
    assert lasting(tmp_path / "results") == lasting(tmp_path / "local")
    assert len(lasting(tmp_path / "local")) == 6


@pytest.mark.slow
def test_ctrl_c_ends_the_tasks_and_not_the_cluster(cluster: Any, tmp_path: Path) -> None:
    process = begun(cluster, tmp_path, partly=1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert not list((tmp_path / "results").rglob("*.claim"))
    deadline = time.monotonic() + 30
    while tasks := running():
        assert time.monotonic() < deadline, tasks
        time.sleep(0.1)
    assert all(node.remaining_processes_alive() for node in cluster.list_all_nodes())


def running() -> list[str]:
    """The tasks of this machine that Ray's workers name themselves after."""
    titles = (" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    return [title for title in titles if title.startswith("ray::_work")]
