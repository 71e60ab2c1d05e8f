"""`harbench doctor`: what is amiss is found, said with what to do, and hides nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from end_to_end.commands import Cli

from harbench import discovery
from harbench.running import doctor
from harbench.running.doctor import GIB, Finding, State, examine


@pytest.fixture(autouse=True)
def _eighty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def found(what: str) -> list[Finding]:
    return [each for each in examine() if each.what == what]


def test_a_sound_machine_has_no_problem_and_eighty_columns(cli: Cli) -> None:
    answer = cli("doctor")
    assert answer.code == 0, answer.out
    assert max(map(len, answer.out.splitlines())) <= 80
    for what in ("Python", "packages", "extra onnx", "threads", "memory", "cache", "results",
                 "raw data", "datasets", "plug-ins", "GPU"):  # fmt: skip
        assert any(line.startswith(what) for line in answer.out.splitlines()), what
    assert "problem" not in answer.out


def test_only_the_gpu_needs_torch_and_nothing_is_left_behind(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom harbench.running import doctor\ndoctor._cuda = lambda: iter(())\n"
        "assert len(list(doctor.examine())) > 8\nsys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "what"),
    [("HARBENCH_DATA", "raw data"), ("HARBENCH_CACHE", "cache"), ("HARBENCH_RESULTS", "results")],
)
def test_a_file_is_no_folder(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, what: str
) -> None:
    file = tmp_path / "q[bold]"
    file.touch()
    monkeypatch.setenv(variable, str(file))
    answer = cli("doctor")
    (line,) = [line for line in answer.out.splitlines() if "problem" in line]
    assert answer.code == 1 and line.startswith(what) and "-> " in answer.out
    assert "q[bold]" in answer.out.replace("\n", "").replace(" ", "")


def test_packages_that_lack_or_are_old_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["nonsense>=1", "torch>=99", "absent; sys_platform == 'never'", "numpy>=1",
             "gone; extra == 'onnx'", "numpy>=99; extra == 'onnx'"]  # fmt: skip
    monkeypatch.setattr(doctor, "requires", lambda _: needs)
    (packages,) = found("packages")
    assert packages.state == State.problem and "nonsense is not installed; torch is" in (
        packages.words
    )
    assert "absent" not in packages.words and "gone" not in packages.words
    (extra,) = found("extra onnx")
    assert extra.state == State.ok and "gone is not installed; numpy is" in extra.words
    assert "pip install 'harbench[onnx]'" in extra.advice


@pytest.mark.parametrize(
    ("free", "state"), [(9, State.ok), (2, State.warning), (0.5, State.problem)]
)
def test_little_memory_is_said(monkeypatch: pytest.MonkeyPatch, free: float, state: State) -> None:
    memory = namedtuple("memory", "available total")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(free * GIB, 16 * GIB))
    (finding,) = found("memory")
    assert finding.state == state and bool(finding.advice) == (state != State.ok)


@pytest.mark.parametrize("free", [30, 5, 0.1])
def test_little_room_is_said(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(free * GIB))
    state = State.ok if free > 10 else State.warning if free > 1 else State.problem
    assert found("cache")[0].state == found("results")[0].state == state


def test_failed_runs_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "d" / "p"
    folder.mkdir(parents=True)
    for name in ("seed-0.json", "seed-1.failed.json"):
        (folder / name).touch()
    failed, records = found("results")[1:]
    assert failed.state == State.warning and "1 runs failed" in failed.words
    assert "seed-1.failed.json" in failed.words and records.words.startswith("1 records")


PLUG_INS = {
    "raises": ("raise RuntimeError('\\x1b[31m[/x] never')", r"never"),
    "ends": ("import os; os._exit(0)", "ends with exit code 0"),
    "leaves": ("import sys; sys.exit(3)", "exit code 3"),
    "empty": ("", "registers no method"),
}


@pytest.mark.parametrize("kind", PLUG_INS)
def test_a_broken_plug_in_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    code, words = PLUG_INS[kind]
    site = tmp_path / "site"
    about = site / "foreign-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harbench.methods]\nforeign = foreign_net:Net\n")
    (site / "foreign_net.py").write_text(code)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    discovery.modules.cache_clear()
    try:
        answer = cli("doctor")
    finally:
        discovery.modules.cache_clear()
    assert answer.code == 1 and "\x1b" not in answer.out, answer
    lines = [line for line in answer.out.splitlines() if "problem" in line]
    assert len(lines) == 1 and lines[0].startswith("method foreign"), answer.out
    assert words in " ".join(answer.out.split()), answer.out


def test_a_look_that_fails_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise OSError("no load average here")

    monkeypatch.setattr(psutil, "getloadavg", broken)
    (cores,) = found("cores")
    assert cores.state == State.problem and "no load average" in cores.words
    assert found("plug-ins")
