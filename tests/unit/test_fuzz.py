"""Whatever is typed, or lies in a file: harbench's own error, or none; never another exception.

The gate tries a part of what the slow environment tries; both try the same in every run.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.test_hostile import packed, read
from unit.test_records import place, put, values

from harbench import model
from harbench.cli.main import app, main
from harbench.data import replay, store
from harbench.data.tables import read_recording
from harbench.errors import HarbenchError
from harbench.protocol import read_protocol
from harbench.running.predictions import arrays_of, exported
from harbench.running.probe_records import read_probe
from harbench.running.reading import read_folder
from harbench.running.records import Record
from harbench.running.rows import frame
from harbench.running.tuned import read_tuning

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 20_000
IN_GATE = 300

WORDS = st.sampled_from(
    ["", "-", "--", "x", "cnn", "robusthar+lam=inf", "cnn+width=-1", "spar", "bodysim+subjects=0",
     "bodysim+seconds=1e300", "folder+at=../x", "clean", "missing-10", "smoke", "0", "-1", "1e99",
     "0-999999999", "9" * 30, "nan", "..", "seed-0.json", "x.csv", "x.toml",
     "x.py", "x.npz", "x.pdf", "q[/x]", "\x1b[31m", "\udcff", "=1", "a=b", "lr=", "é" * 300, "%s",
     "{0}", "true", "none", "²", "\n", "*", "mixed", "f1_macro", "nb-t"],
) | st.text(st.characters(exclude_characters="\0/"), max_size=12)  # fmt: skip
# Verbs that train, measure or fetch where they are given something sensible.
AT_WORK = {"bench", "calibrate", "check", "cost", "fetch", "prepare", "run", "transfer", "tune",
           "sensors", "reproduce", "doctor", "rerun", "submit", "audit", "export"}  # fmt: skip


@functools.cache
def verbs() -> list[tuple[list[str], list[str]]]:
    """Every quick verb as it is typed, with its options."""
    found = []

    def visit(command: Any, path: list[str]) -> None:
        found.append((path, [name for p in command.params for name in p.opts if name[0] == "-"]))
        for name, inner in getattr(command, "commands", {}).items():
            if name not in AT_WORK:
                visit(inner, [*path, name])

    visit(typer.main.get_command(app), [])
    # A dry run only plans.
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    found.append((["run", "--dry-run"], [name for p in run.params for name in p.opts]))
    return found


@contextlib.contextmanager
def somewhere() -> Iterator[Path]:
    """The working folder is an empty one, and so are those above it."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "a" / "b"
        inner.mkdir(parents=True)
        os.chdir(inner)
        try:
            yield inner
        finally:
            os.chdir(before)


def arguments(data: st.DataObject) -> None:
    path, options = data.draw(st.sampled_from(verbs()))
    typed = list(path)
    for _ in range(data.draw(st.integers(0, 4))):
        if options and data.draw(st.booleans()):
            typed.append(data.draw(st.sampled_from(options)))
        typed.append(data.draw(WORDS))
    # Otherwise it would write into this checkout.
    typed += ["--here"] if path[:1] == ["new"] else []
    out, err = io.StringIO(), io.StringIO()
    with somewhere() as folder, pytest.MonkeyPatch.context() as patch:
        put(place(folder / "results"), values())
        patch.setenv("HARBENCH_RESULTS", str(folder / "results"))
        patch.setattr(sys, "argv", ["harbench", *typed])
        code: Any = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code
    assert code in (None, 0, 1, 2), (typed, code)
    assert "Traceback" not in err.getvalue(), typed
    assert not code or err.getvalue() or out.getvalue(), (typed, code)


def changed(data: st.DataObject, content: bytes, put_in: list[bytes]) -> bytes:
    """The content with some bytes gone and others put in, or something else altogether."""
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(content)))
        gone = data.draw(st.sampled_from([0, 1, 2, 9, len(content)]))
        new = data.draw(st.sampled_from(put_in) | st.binary(max_size=6))
        content = content[:begin] + new + content[begin + gone :]
    return content


def written(data: st.DataObject, name: str, content: bytes) -> Path:
    path = Path(tempfile.mkdtemp(dir=os.environ["HARBENCH_FUZZ"])) / name
    path.write_bytes(content)
    return path


TOML = [b"=", b"[", b"[[", b'"', b"'''", b"nan", b"inf", b"-1", b"1e999", b"9" * 30, b"true",
        b"{}", b"[]", b"\n", b"#", b"1979-05-27", b"seeds", b"\xff", b"\x00", b'"subjects"',
        b"rates = [1]", b"[variants]\n", b"split = 'loso'\n", b"replay = 'x.json'\n",
        b"folds = 0\n"]  # fmt: skip
JSON = [b"null", b"{}", b"[]", b'""', b"-1", b"1e999", b"NaN", b"Infinity", b"9" * 400, b"true",
        b'"\\ud800"', b"[" * 2000, b",", b":", b"\x00", b"\xff", b"2.5", b'"../x"']  # fmt: skip


def toml(data: st.DataObject) -> None:
    shipped = data.draw(st.sampled_from(sorted((ROOT / "protocols").glob("*.toml"))))
    path = written(data, "mine.toml", changed(data, shipped.read_bytes(), TOML))
    protocol = read_protocol(path)
    for windows in ((1, 1), (3, 6)):
        fitting = protocol.fitting(*windows)
        assert fitting.conditions and fitting.rules()


def a_record(data: st.DataObject) -> None:
    content = changed(data, json.dumps(values()).encode(), JSON)
    path = place(written(data, "x", b"").parent)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    found = read_folder(path.parents[4])
    assert len(found.records) + len(found.problems) == 1
    frame(found.records, confusion=True)


READERS: dict[str, Callable[[Path], object]] = {
    "gaps": replay.read_gaps,
    "tuning": read_tuning,
    "probe": read_probe,
    "card": lambda path: model.load(path.parent),
}


@functools.cache
def notes() -> list[bytes]:
    """JSON files of several kinds."""
    files = [*(ROOT / "protocols").glob("*.json"), *(ROOT / "results").glob("choices/**/*.json")]
    files += sorted((ROOT / "results").glob("probes/**/*.json"))[:1]
    return [path.read_bytes()[:20_000] for path in files[:4]] + [b"{}", b"[]"]


def a_note(data: st.DataObject) -> None:
    path = written(data, "model.json", changed(data, data.draw(st.sampled_from(notes())), JSON))
    READERS[data.draw(st.sampled_from(sorted(READERS)))](path)


@functools.cache
def answers() -> bytes:
    """Predictions as a run keeps them, for three windows."""
    buffer = io.BytesIO()
    zeros = np.zeros((3,), dtype=np.int64)
    np.savez_compressed(
        buffer,
        identity=np.array("0" * 64), classes=np.array(["a", "b"]), conditions=np.array(["clean"]),
        y_true=zeros, window=zeros, subject=np.array(["x"] * 3), recording=zeros, start=zeros,
        predicted=zeros[None], scored=np.ones((1, 3), dtype=bool),
        logits=np.zeros((1, 3, 2), dtype=np.float16),
    )  # fmt: skip
    return buffer.getvalue()


def npz(data: st.DataObject) -> None:
    record = Record.model_validate(values(), strict=False)
    path = Path(os.environ["HARBENCH_CACHE"]) / record.predictions
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(changed(data, answers(), [b"PK\x01\x02", b"\x93NUMPY", b"{'descr'", b"|O"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harbench.running.predictions._digest", lambda _: "0" * 64)
        arrays_of(record)
        exported(path, record)


CSV = [b",", b"\n", b"\r\n", b'"', b"nan", b"inf", b"1e999", b"-", b"\xef\xbb\xbf", b"\xff",
       b"\x00", b";", b"time", b"9" * 400, b"0x1", b"True", b"\t", b"#", b"chest.x"]  # fmt: skip


def csv(data: st.DataObject) -> None:
    info = store.resolve("bodysim")[1].info
    columns = [f"{s.name}.{c}" for s in info.sensors for c in info.channels]
    lines = [",".join(["time", *columns])]
    lines += [",".join([f"{row / 50}", *["0.5"] * len(columns)]) for row in range(20)]
    path = written(data, "mine.csv", changed(data, "\n".join(lines).encode(), CSV))
    read_recording([path], info, 1.0)


def a_zip(data: st.DataObject) -> None:
    marks = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff"]
    read("folder", changed(data, packed("folder"), marks))


TARGETS = {"arguments": arguments, "toml": toml, "record": a_record, "note": a_note, "npz": npz,
           "csv": csv, "zip": a_zip}  # fmt: skip


def attack(target: Callable[[st.DataObject], None], inputs: int) -> None:
    @given(data=st.data())
    @settings(
        max_examples=inputs, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def tried(data: st.DataObject) -> None:
        with contextlib.suppress(HarbenchError):
            target(data)

    tried()


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fuzz").mkdir()
    monkeypatch.setenv("HARBENCH_FUZZ", str(tmp_path / "fuzz"))


@pytest.mark.parametrize("target", TARGETS)
def test_no_other_exception_escapes(target: str) -> None:
    attack(TARGETS[target], IN_GATE // len(TARGETS))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_no_other_exception_escapes_from_20_000_inputs(target: str) -> None:
    attack(TARGETS[target], -(-INPUTS // len(TARGETS)))
