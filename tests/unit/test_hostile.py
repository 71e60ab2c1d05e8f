"""Broken and hostile archives of every dataset: refused in words, or read, and nothing left over.

A raw file is a path; "outer.zip!inner.csv" lies in a zip inside.
"""

from __future__ import annotations

import functools
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit import czu_files, opportunity_files, realworld_files

from harbench.data import preparation, store
from harbench.data.archive import WATCH
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError

Files = dict[str, bytes]
FACTS = b"""
title = "lab"
rate = 50.0
classes = ["walk", "sit"]
channels = ["x"]
[[sensors]]
name = "wrist"
position = [0.3, 0.0, 0.0]
"""


def _dsads() -> Files:
    row = ",".join(f"{v:.4f}" for v in range(45))
    places = [f"data/a{a:02d}/p{p}/s0{s}.txt" for a in (1, 2) for p in (1, 2) for s in (1, 2)]
    return dict.fromkeys(places, ("\n".join([row] * 125) + "\n").encode())


def _opportunity() -> Files:
    make = opportunity_files
    return {
        f"OpportunityUCIDataset/dataset/{run}.dat": make.text(make.table(run, 40))
        for run in make.RUNS
    }


def _realworld() -> Files:
    files = {}
    for kind in realworld_files.KINDS:
        for position in realworld_files.POSITIONS:
            prefix = realworld_files.PREFIX[kind]
            outer = f"proband1/data/{kind}_walking_csv.zip"
            data = realworld_files.csv(*realworld_files.samples(position, kind, 2.0))
            files[f"{outer}!{prefix}_walking_{position}.csv"] = data
    return files


def _czu() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cyy_a1_t1.mat"
        czu_files.write_mat(path, [d[:60] for d in czu_files.recording(seconds=2)])
        mat = path.read_bytes()
    return {"sensors_mat/cyy_a1_t1.mat": mat, "sensors_mat/zyh_a2_t1.mat": mat}


def _czu_text() -> Files:
    files = {}
    for number, samples in enumerate(czu_files.recording(seconds=0.5)):
        lines = (" ".join(f"{v:.6f}" for v in row) for row in samples)
        files[f"sensors/cx/action_3/time_1/pi{number:02d}"] = "\n".join(lines).encode()
    return files


def _folder() -> Files:
    row = np.arange(200)
    label = np.where(row < 100, "walk", "sit")
    table = pd.DataFrame({"time": row / 50, "wrist.x": np.sin(row), "label": label})
    csv = table.to_csv(index=False).encode()
    return {"lab/dataset.toml": FACTS, "lab/anna/one.csv": csv, "lab/ben/two.csv": csv}


RAW: dict[str, tuple[str, Callable[[], Files]]] = {
    "dsads": ("dsads", _dsads),
    "opportunity": ("opportunity", _opportunity),
    "realworld": ("realworld", _realworld),
    "czu-mhad": ("czu-mhad", _czu),
    "czu-mhad text": ("czu-mhad", _czu_text),
    "folder": ("folder+at=lab", _folder),
}
every = pytest.mark.parametrize("kind", RAW)
fuzzed = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@functools.cache
def raw(kind: str) -> Files:
    return RAW[kind][1]()


def pack(files: Files) -> bytes:
    """A zip of the files, with zips inside it where names have a "!"."""
    inside: dict[str, Files] = {}
    plain: Files = {}
    for name, data in files.items():
        outer, mark, inner = name.partition("!")
        if mark:
            inside.setdefault(outer, {})[inner] = data
        else:
            plain[name] = data
    plain |= {outer: pack(inner) for outer, inner in inside.items()}
    return realworld_files.pack(sorted(plain.items()))


@functools.cache
def packed(kind: str) -> bytes:
    return pack(raw(kind))


@contextmanager
def archive(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.zip"
        path.write_bytes(content)
        yield path


def read(kind: str, content: bytes) -> str:
    """Windows are cut as `prepare` does; the message of what was refused, "" where nothing was."""
    _, dataset = store.resolve(RAW[kind][0])
    with archive(content) as source, tempfile.TemporaryDirectory() as folder:
        try:
            dataset.open(source)
            preparation.write(dataset.recordings(source), dataset, Path(folder))
        except HarbenchError as error:
            message = str(error)
            assert message and "line 0" not in message and len(message) < 600
            return message
        windows = np.fromfile(Path(folder) / "windows.f32", dtype="<f4")
        assert not np.isinf(windows).any()
    return ""


@every
def test_what_is_whole_is_read(kind: str) -> None:
    refused = read(kind, packed(kind))
    # Some recordings here are shorter than a window, which is said after all were read.
    assert refused == "" or "gave no window" in refused


@pytest.mark.parametrize("kind", [kind for kind in RAW if kind != "czu-mhad"])
def test_a_bad_line_in_a_zip_is_named(kind: str) -> None:
    name = next(n for n in raw(kind) if not n.endswith(".toml"))
    lines = raw(kind)[name].split(b"\n")
    lines[4] = b"abc" + lines[4]
    refused = read(kind, pack({**raw(kind), name: b"\n".join(lines)}))
    assert name.partition("!")[2] in refused and "line 5" in refused


@every
@pytest.mark.parametrize("rest", [0, 1, 2])
@pytest.mark.parametrize("every_file", [False, True])
def test_an_empty_recording_is_refused_or_skipped(kind: str, rest: int, every_file: bool) -> None:
    """Nothing, only a first line, or two lines are left of one file, or of all."""
    files = dict(raw(kind))
    names = [name for name in files if not name.endswith(".toml")]
    for name in names if every_file else names[:1]:
        files[name] = b"\n".join(files[name].split(b"\n")[:rest])
    refused = read(kind, pack(files))
    assert refused or not every_file


TOKENS = [b"NaN", b"inf", b"1e999", b"-", b"", b"\x00", b"\xe9", "é".encode(), b"9" * 40, b",",
          b"\n", b"\r\n", b" ", b'"', b"'", b"#", b"\t", b"\xef\xbb\xbf", b"\xff\xfe", b"nan",
          b"1,5", b"0x10", b"True", b"None", b";", b"=", b"["]  # fmt: skip


@every
@given(data=st.data())
@fuzzed
def test_changed_content_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    files = dict(raw(kind))
    name = data.draw(st.sampled_from(sorted(files)), label="file")
    content = files[name]
    begin = data.draw(st.integers(0, len(content)), label="begin")
    gone = data.draw(st.sampled_from([0, 1, 3, 40, len(content)]), label="gone")
    put = data.draw(st.sampled_from(TOKENS) | st.binary(max_size=8), label="put")
    files[name] = content[:begin] + put + content[begin + gone :]
    read(kind, pack(files))


@every
@given(data=st.data())
@fuzzed
def test_a_changed_archive_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    content = bytearray(packed(kind))
    # The directory at the end is what a zip is opened by: half of the changes fall there.
    directory = content.rindex(b"PK\x01\x02") - 200
    low = data.draw(st.sampled_from([0, directory]), label="low")
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        place = data.draw(st.integers(low, len(content) - 1), label="place")
        content[place] = data.draw(st.integers(0, 255), label="byte")
    read(kind, bytes(content[: data.draw(st.sampled_from([None, len(content) // 2]))]))


def flagged(content: bytes) -> bytes:
    """Every member is said to be encrypted."""
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = changed.find(mark)
        while place >= 0:
            changed[place + offset] |= 1
            place = changed.find(mark, place + 4)
    return bytes(changed)


def bomb(content: bytes) -> bytes:
    """The last member says that it is 4.3 GB long."""
    changed = bytearray(content)
    place = changed.rindex(b"PK\x01\x02")
    changed[place + 24 : place + 28] = (4_294_967_000).to_bytes(4, "little")
    return bytes(changed)


def understated(content: bytes) -> bytes:
    """The last member says that it is 10 bytes long; what it holds is longer."""
    changed = bytearray(content)
    place = changed.rindex(b"PK\x01\x02")
    changed[place + 24 : place + 28] = (10).to_bytes(4, "little")
    return bytes(changed)


HOSTILE = {"encrypted": flagged, "bomb": bomb, "understated": understated}


@every
@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    kind: str, way: str, tmp_path: Path
) -> None:
    source = tmp_path / "raw.zip"
    source.write_bytes(HOSTILE[way](packed(kind)))
    with pytest.raises(HarbenchError) as error:
        store.prepare(RAW[kind][0], source)
    named = {Path(name.partition("!")[0]).name for name in raw(kind)}
    assert any(name in str(error.value) for name in named), error.value
    kept = [p for p in (cache_dir() / "datasets").rglob("*") if p.is_file()]
    assert not kept and not store.is_prepared(store.resolve(RAW[kind][0])[0])


@every
def test_names_that_lead_elsewhere_write_nothing(kind: str, tmp_path: Path) -> None:
    """Paths upwards, absolute ones and links are names only: members are never unpacked."""
    outside = {f"../../{name}": b"junk" for name in raw(kind)}
    absolute = {f"/tmp/evil/{name}": b"junk" for name in raw(kind)}
    for extra in (outside, absolute):
        before = sorted(tmp_path.parent.rglob("*"))
        refused = read(kind, pack({**raw(kind), **extra}))
        assert refused, "a second copy of a recording must not be taken silently"
        assert sorted(tmp_path.parent.rglob("*")) == before
    assert not Path("/tmp/evil").exists()


@every
def test_a_link_is_not_followed(kind: str) -> None:
    buffer = io.BytesIO()
    name = sorted(n for n in raw(kind) if "toml" not in n)[0].partition("!")[0]
    files = {n: d for n, d in raw(kind).items() if n.partition("!")[0] != name}
    with zipfile.ZipFile(buffer, "w") as zipped:
        for other, content in _outermost(files).items():
            zipped.writestr(other, content)
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, "/etc/passwd")
    refused = read(kind, buffer.getvalue())
    assert Path(name).name in refused, refused
    assert "root:" not in refused


def _outermost(files: Files) -> Files:
    with zipfile.ZipFile(io.BytesIO(pack(files))) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


def test_a_mat_file_that_swells_is_refused(tmp_path: Path) -> None:
    """A small file that would become larger than any recording."""
    element = zlib.compress(bytes(60_000_000), 1)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    swelling = header + (15).to_bytes(4, "little") + len(element).to_bytes(4, "little") + element
    with pytest.raises(HarbenchError, match=r"cyy_a1_t1\.mat would take more than"):
        (tmp_path / "cyy_a1_t1.mat").write_bytes(swelling)
        store.prepare("czu-mhad", tmp_path)


def test_a_compressed_mat_file_is_read(tmp_path: Path) -> None:
    plain, small = tmp_path / "a" / "cyy_a1_t1.mat", tmp_path / "b" / "cyy_a1_t1.mat"
    czu_files.write_mat(plain, czu_files.recording())
    small.parent.mkdir()
    cells = scipy.io.loadmat(plain)["sensor"]
    scipy.io.savemat(small, {"sensor": cells}, do_compression=True)
    assert small.stat().st_size < plain.stat().st_size
    found = [store.resolve("czu-mhad")[1].recordings(p.parent) for p in (plain, small)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


@every
def test_how_much_has_been_read_is_told(kind: str) -> None:
    shares: list[float] = []
    _, dataset = store.resolve(RAW[kind][0])
    with archive(packed(kind)) as source:
        dataset.open(source)
        token = WATCH.set(shares.append)
        for _ in dataset.recordings(source):
            pass
        WATCH.reset(token)
    assert (
        shares == sorted(shares)
        and shares[0] > 0
        and shares[-1] > (0.6 if kind == "folder" else 0.99)
    )
