"""What goes wrong is said in words, costs as little as possible and leaves nothing half-done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from end_to_end.commands import DATASET, LABEL, TINY, Cli, folder, read

import harbench
from harbench.errors import HarbenchError

RUN = ("run", "--method", "robusthar", "--protocol", "clean", "--dataset", DATASET)


LONG = "a" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--method", "cnn", "--protocol", f"{LONG}.toml"),
        ("check", f"./{LONG}.py"),
        ("results", "predictions", LONG, "--out", "x.csv"),
        ("table", "--protocol", "clean", "--results", LONG),
    ],
    ids=lambda words: words[0],
)
def test_a_path_too_long_for_a_file_is_said(cli: Cli, arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2 and answer.err.replace("\n", "").endswith(": File name too long.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--method", "robusthat"), "Unknown method 'robusthat'. Did you mean 'robusthar'?"),
        (("--dataset", "bodysin"), "Unknown dataset 'bodysin'. Did you mean 'bodysim'?"),
        (("--dataset", "bodysim+subject=3"), "'subject'. Did you mean 'subjects'?"),
        (("--dataset", "bodysim+sensors=99"), "sensors='99': Input should be less than"),
        (("--protocol", "missing-7"), "Unknown protocol 'missing-7'. Did you mean 'missing-"),
        (("--protocol", "absent.toml"), "Protocol file absent.toml does not exist"),
        (("--budget", "quik"), "Unknown budget 'quik'. Did you mean 'quick'?"),
        (("--set", "lamb=0.3"), "Unknown option of method 'robusthar' 'lamb'. Did you mean 'lam'?"),
        (("--set", "lam=three"), "method 'robusthar': lam='three'"),
        (("--set", "heads=7"), "width 64 is not divisible by 7 heads"),
        (("--set", "lam"), "Expected key=value, got 'lam' in --set"),
        (("--seeds", "four"), "Cannot read seeds 'four'"),
        (("--seeds", "4-0"), "smaller number first"),
        (("--seeds", "9999999999"), "are too large: at most 9 digits"),
        (("--protocol", "loso", "--seeds", "3"), "seeds of a 'loso' split go from 0 to 2"),
        (("--precision", "tf32", "--device", "cpu"), "tf32 needs a CUDA GPU"),
        (("--dataset", "bodysim+window=5000"), "no window of 5000 steps"),
        (("--dataset", "bodysim+activities=1"), "windows of 1 class only"),
        (("--dataset", "bodysim+seconds=2+subjects=2"), "16 windows for 8 classes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_explained(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    base = list(RUN)
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if option in base:
            base[base.index(option) + 1] = value
        else:
            base += [option, value]
    answer = cli(*base)
    assert answer.code == 2 and message in answer.err
    assert "Traceback" not in answer.err and len(answer.err.splitlines()) <= 3
    assert not (tmp_path / "results").exists()


@pytest.mark.skipif("__import__('torch').cuda.is_available()")
def test_no_gpu_is_said(cli: Cli) -> None:
    answer = cli(*RUN, "--device", "cuda")
    assert answer.code == 2 and "No CUDA GPU is available" in answer.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('description = "x"\nrate = [0.1]\n', "Unknown key 'rate'. Did you mean 'rates'?"),
        ('description = "x"\nrates = [2]\n', "rates.0: Input should be less than 1"),
        ('description = "x"\nsplit = "by-hand"\n', "split: Input should be 'random'"),
        ('description = "x"\nheadline = { scale = "mixed", rate = 0.1 }\n', "headline condition"),
        ("rates = [0.1]\n", "description: Field required"),
        ("description = ", "not valid TOML"),
    ],
)
def test_a_wrong_protocol_file_is_explained(
    cli: Cli, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    answer = cli("run", "--method", "robusthar", "--protocol", path)
    assert answer.code == 2 and message in answer.err and str(path) in answer.err


def test_a_patch_may_leave_a_rest_but_not_exceed_the_window(run: Cli, tmp_path: Path) -> None:
    answer = run("clean", "--seeds", "0", "--set", "patch=101")
    assert answer.code == 2 and "patch=101 is longer than a window of 100 steps" in answer.err
    assert not (tmp_path / "results").exists()
    assert run("clean", "--seeds", "0", "--set", "patch=33").code == 0


def test_divergence_is_a_failed_run_with_stage_and_epoch(run: Cli, tmp_path: Path) -> None:
    answer = run("clean", "--seeds", "0", "--set", "lr=1e30")
    assert answer.code == 1
    (path,) = (tmp_path / "results").rglob("*.json")
    assert path.name == "seed-0.failed.json"
    failure = read(path)
    assert "in stage 'pretrain', epoch 1" in failure["error"]
    assert "Traceback" in failure["traceback"] and failure["status"] == "failed"
    assert "stage 'pretrain', epoch 1" in answer.out and "Traceback" not in answer.out


SABOTAGE = """
import os
from harbench.training import fit as module

whole = module.train

def train(training, *rest):
    deaths = os.path.getsize({marker!r}) if os.path.exists({marker!r}) else 0
    if training.seed == 1 and deaths < {deaths}:
        open({marker!r}, "a").write("x")
        os.kill(os.getpid(), 9)
    return whole(training, *rest)

module.train = train
"""


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_dead_worker_is_tried_once_more_and_costs_its_run_at_most(
    deaths: int, tmp_path: Path
) -> None:
    code = SABOTAGE.format(marker=str(tmp_path / "died"), deaths=deaths)
    (tmp_path / "sitecustomize.py").write_text(code)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [
        *(sys.executable, "-m", "harbench", *RUN, "--budget", "smoke"),
        *(*TINY, "--seeds", "0-2", "--jobs", "2"),
    ]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "seed 1 is tried again: The worker process died: SIGKILL" in first.stderr
    place = folder(tmp_path / "results", "clean")
    whole = sorted(f"seed-{n}{end}" for n in range(3) for end in (".json", ".labels.npz"))
    if deaths == 1:
        assert first.returncode == 0, first.stdout + first.stderr
        assert sorted(p.name for p in place.iterdir()) == whole
        return
    assert first.returncode == 1, first.stderr
    assert sorted(p.name for p in place.iterdir()) == [
        "seed-0.json",
        "seed-0.labels.npz",
        "seed-1.failed.json",
        "seed-2.json",
        "seed-2.labels.npz",
    ]
    assert "died: SIGKILL" in read(place / "seed-1.failed.json")["error"]
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stdout + second.stderr
    assert sorted(p.name for p in place.iterdir()) == whole


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_ends_everything(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group, the others the process that was started."""
    command = [sys.executable, "-m", "harbench", *RUN, "--seeds", "0-1", "--jobs", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    stages = tmp_path / "cache" / "stages"
    deadline = time.monotonic() + 60
    while not list(stages.glob("*.partial.safetensors")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code and "Traceback" not in errors
    assert ("interrupted" in errors) == (number is not signal.SIGKILL)
    claims = list((tmp_path / "results").rglob("*.claim"))
    assert len(claims) == (2 if number is signal.SIGKILL else 0)


def test_a_broken_method_stops_nobody_else(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from harbench import discovery

    modules = {**discovery.modules("methods"), "broken": "harbench.not_there"}
    whole = discovery.modules
    monkeypatch.setattr(
        discovery, "modules", lambda group: modules if group == "methods" else whole(group)
    )
    answer = cli("list", "methods")
    assert answer.code == 0 and "robusthar" in answer.out
    assert "broken" in answer.out and "ModuleNotFoundError" in answer.out
    failed = cli("run", "--method", "broken", "--protocol", "clean", "--dataset", DATASET)
    assert failed.code == 1 and "cannot be imported" in failed.out


def test_results_that_cannot_be_written_are_said(run: Cli, tmp_path: Path) -> None:
    """Before the training, not after it."""
    (tmp_path / "file").write_text("")
    answer = run("clean", "--seeds", "0", "--results", tmp_path / "file")
    assert answer.code == 2 and "Cannot write" in answer.err and "--results" in answer.err
    assert not (tmp_path / "cache" / "stages").exists()


def test_a_full_disk_is_a_clear_failure_and_leaves_nothing_half_written(
    run: Cli, cli: Cli, tmp_path: Path
) -> None:
    """A limit on the size of a file stands for the end of the disk."""
    cli("data", "prepare", DATASET)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "from harbench.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, *RUN, "--budget", "smoke", *TINY, "--seeds", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Cannot write" in done.stdout and "HARBENCH_CACHE" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    left = [p for p in (tmp_path / "cache" / "stages").iterdir() if p.suffix != ".lock"]
    assert left == []
    assert run("clean", "--seeds", "0").code == 0


def test_an_unusable_cache_is_said(run: Cli, cli: Cli, tmp_path: Path) -> None:
    cli("data", "prepare", DATASET)
    (tmp_path / "cache" / "stages").write_text("in the way")
    answer = run("clean", "--seeds", "0")
    assert answer.code == 2 and "stages: File exists" in " ".join(answer.out.split())


def test_a_broken_record_is_named_and_run_again(run: Cli, cli: Cli, tmp_path: Path) -> None:
    run("clean", "--seeds", "0")
    path = folder(tmp_path / "results", "clean", LABEL) / "seed-0.json"
    path.write_text(path.read_text()[:200])
    answer = cli("results")
    assert answer.code == 2 and str(path) in answer.err.replace("\n", "")
    assert run("clean", "--seeds", "0").code == 0
    assert cli("results").code == 0


def test_python_raises_what_the_command_line_prints(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="Did you mean 'robusthar'"):
        harbench.run("robusthat", "clean", DATASET)
    with pytest.raises(HarbenchError, match=r"1 of 1 runs failed.*\n.*epoch 1"):
        harbench.run(
            "robusthar", "clean", DATASET, seeds=[0], budget="smoke", width=8, heads=2, lr=1e30
        )
