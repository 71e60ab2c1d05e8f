"""Claims: one process has a run, whoever else wants it; a dead one's is taken over."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harbench.errors import HarbenchError
from harbench.running import claims
from harbench.running.claims import acquire, clear, owner

CLAIMANT = """
import sys, time
from pathlib import Path
from harbench.running.claims import acquire
folder, begin = Path(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0, begin - time.time()))
got = [path.name for path in sorted(folder.glob("*.stale")) if acquire(path)]
got += [name for name in map("{:03d}.new".format, range(100)) if acquire(folder / name)]
print(" ".join(got), flush=True)
time.sleep(600)
"""


def dead() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def claim(path: Path, host: str, pid: object, began: object = 0.0) -> Path:
    path.write_text(json.dumps({"host": host, "pid": pid, "began": began}))
    return path


def test_of_several_processes_one_gets_each_run(tmp_path: Path) -> None:
    for number in range(100):
        claim(tmp_path / f"{number:03d}.stale", platform.node(), dead() if number < 3 else 2**22)
    begin = str(time.time() + 6)
    command = [sys.executable, "-c", CLAIMANT, str(tmp_path), begin]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        got = []
        for process in processes:
            assert process.stdout is not None
            got += process.stdout.readline().split()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert sorted(got) == names and len(names) == 200
        assert not acquire(tmp_path / names[0]) and "process" in owner(tmp_path / names[0])
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert acquire(tmp_path / names[0])


def test_whose_claim_counts(tmp_path: Path) -> None:
    here, path = platform.node(), tmp_path / "claim"
    assert acquire(path) and not acquire(path)
    assert owner(path) == f"process {os.getpid()} on {here}"
    # The number of this process, but an older one had it.
    assert acquire(claim(path, here, os.getpid(), 1.0))
    assert acquire(claim(path, here, -1)) and acquire(claim(path, here, "x"))
    # Another host's processes cannot be looked at.
    assert not acquire(claim(path, f"{here}2", dead()))


def test_the_claim_beside_a_record_goes_when_its_process_is_gone(tmp_path: Path) -> None:
    """Killed between storing and giving back; seen in a gate, the claim lay there for ever."""
    record, path = tmp_path / "seed-0.json", tmp_path / "seed-0.claim"
    clear(record)
    assert acquire(path)
    clear(record)
    assert path.exists(), "this process is alive"
    claim(path, platform.node(), dead())
    clear(record)
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "\xff"])
def test_a_claim_that_says_nothing_is_taken_over_after_a_while(text: str, tmp_path: Path) -> None:
    path = tmp_path / "claim"
    path.write_bytes(text.encode("latin-1"))
    assert not acquire(path)
    long_ago = time.time() - claims.EMPTY_SECONDS - 1
    os.utime(path, (long_ago, long_ago))
    assert acquire(path) and owner(path).startswith("process")


def test_a_folder_that_cannot_hold_claims_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarbenchError, match="Cannot write"):
        acquire(tmp_path / "file" / "claim")


DEAF = """
import signal
from harbench.running import processes
process = processes.context(False).Process(target=signal.raise_signal, args=(signal.SIGINT,))
with processes.deaf():
    process.start()
process.join()
print(process.exitcode, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_workers_do_not_hear_ctrl_c() -> None:
    """Not from their first moment on, nor does the server that they are forked from."""
    done = subprocess.run(
        [sys.executable, "-c", DEAF], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["0", "False"] and not done.stderr
