"""Submissions: the same bytes for the same content, and nothing of a stranger is believed."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from end_to_end.commands import Cli
from hypothesis import given
from hypothesis import strategies as st
from unit.boards import DATASET, grid, written

from harbench.errors import HarbenchError
from harbench.leaderboard import submission as submissions
from harbench.leaderboard.audit import LARGEST_MARGIN, _margin, audit, drawn, graded
from harbench.leaderboard.audits import read_audit, read_audits
from harbench.leaderboard.submission import Submission, pack, read_submission, require_code, unpack
from harbench.running.reading import read_record

Files = dict[str, bytes]


def content(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, mode: int = 0o644 | stat.S_IFREG) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack([grid(tmp_path_factory.mktemp("records"))])


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, packed: bytes) -> None:
    root = grid(tmp_path / "elsewhere")
    assert pack([root]) == packed
    # Single files in another order are the same submission, too.
    assert pack(sorted(root.rglob("seed-*.json"), reverse=True)) == packed
    held = unpack(packed, "x")
    assert len(held.records) == 13 and set(held.methods) == {"cnn", "random_forest", "robusthar"}
    assert "torch==" in held.lock
    name = f"records/{DATASET}/clean/quick/cnn/seed-0.json"
    assert held.records[name][1] == read_record(root / name.removeprefix("records/"))


def test_code_that_is_not_at_hand_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "my_net", 0)
    with pytest.raises(HarbenchError, match=r"--method my_net\.py"):
        pack([path])
    file = tmp_path / "my_net.py"
    file.write_text("x = 1\n")
    assert unpack(pack([path], [file]), "x").methods == {"my_net": b"x = 1\n"}


def lies(files: Files) -> Files:
    name = next(n for n in files if n.endswith("cnn/seed-0.json"))
    return {**files, name: files[name].replace(b'"seed": 0', b'"seed": 9')}


def signed(files: Files) -> Files:
    """With a manifest that fits."""
    others = {name: text for name, text in files.items() if name != submissions.MANIFEST}
    return {**others, submissions.MANIFEST: submissions._manifest(others)}


def without(part: str) -> Callable[[Files], Files]:
    return lambda files: {name: text for name, text in files.items() if part not in name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: {**f, "../evil.json": b"x"}, "no submission has a file called"),
        (lambda f: {**f, "/etc/passwd": b"x"}, "no submission has a file called"),
        (lambda f: {**f, "records/../../a/b/c/d/seed-0.json": b"x"}, "no submission has a file"),
        (lambda f: {**f, "methods/a.b.py": b"x"}, "no submission has a file called"),
        (lambda f: {**f, "run.sh": b"x"}, "no submission has a file called"),
        (lambda f: signed(lies(f)), "its record is of another run"),
        (lies, "is not what manifest.json says"),
        (lambda f: {**f, "methods/extra.py": b"x"}, "is not what manifest.json says"),
        (lambda f: signed(without("methods/cnn")(f)), "lacks methods/cnn.py"),
        (lambda f: signed(without("records/")(f)), "holds no record"),
        (without("manifest"), "lacks manifest.json"),
        (without("requirements"), "lacks requirements.txt"),
        (lambda f: {**f, "manifest.json": b"[" * 100_000}, "manifest.json: "),
        (lambda f: {**f, "manifest.json": b'{"schema": 7, "files": {}}'}, "schema 7"),
        (lambda f: {**f, "manifest.json": b"\xff"}, "manifest.json: "),
        (
            lambda f: signed({**f, f"records/{DATASET}/a/b/c/seed-0.json": b"{}"}),
            "no valid record",
        ),
    ],
)
def test_what_is_no_submission_is_refused_in_words(
    packed: bytes, change: Callable[[Files], Files], message: str
) -> None:
    with pytest.raises(HarbenchError, match=message):
        unpack(zipped(change(content(packed))), "x.zip")


def test_links_doubles_and_bombs_are_refused(
    packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HarbenchError, match="is a link"):
        unpack(zipped(content(packed), stat.S_IFLNK | 0o777), "x")
    buffer = io.BytesIO(packed)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(HarbenchError, match="is there twice"):
        unpack(buffer.getvalue(), "x")
    monkeypatch.setattr(submissions, "LARGEST_FILE", 100)
    with pytest.raises(HarbenchError, match="too large"):
        unpack(packed, "x")
    monkeypatch.setattr(submissions, "MOST_FILES", 2)
    with pytest.raises(HarbenchError, match="at most 2"):
        unpack(packed, "x")


@given(st.data())
def test_a_damaged_submission_is_read_whole_or_refused(packed: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(packed) - 1))
    broken = bytearray(packed)
    if data.draw(st.booleans()):
        del broken[at:]
    else:
        broken[at] ^= data.draw(st.integers(1, 255))
    try:
        held = unpack(bytes(broken), "x")
    except HarbenchError as error:
        assert "\n" not in str(error)
        return
    # Dates and comments of the zip say nothing of the content.
    assert held.digest == unpack(packed, "x").digest


def test_paths_that_are_no_submission(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.zip"):
        with pytest.raises(HarbenchError, match=r"not a file|cannot be read"):
            read_submission(path)


def test_the_draw_depends_on_content_and_salt(packed: bytes) -> None:
    held = unpack(packed, "x")
    other = Submission("0" * 64, held.records, held.methods, held.lock)
    everything = drawn(held, "salt", 99)
    assert sorted(everything) == sorted(held.records) and drawn(held, "salt", 3) == everything[:3]
    with pytest.raises(HarbenchError, match="Nothing can be run again"):
        drawn(held, "salt", 99, at_most=-1)
    assert everything != drawn(held, "pepper", 99) != drawn(other, "pepper", 99)


def test_the_table_before_and_after(cli: Cli, tmp_path: Path) -> None:
    zip_file, results = tmp_path / "s.zip", tmp_path / "results"
    zip_file.write_bytes(pack([grid(tmp_path / "mine")]))
    for seed in range(5):
        written(results, "cnn", seed, 12 + seed % 2)
    shown = cli("leaderboard", "change", zip_file)
    assert shown.code == 0, shown.err
    lines = {line.split("|")[4].strip(): line for line in shown.out.splitlines() if "|" in line}
    cells = {name: [c.strip() for c in line.split("|")[5:9]] for name, line in lines.items()}
    assert cells["CNN"][0] == "1" and cells["CNN"][2] == "2"
    assert cells["Random forest"][:3] == ["-", "-", "1"]
    assert cells["RobustHAR"][2] == "3 of 5 seeds"
    nothing = cli("leaderboard", "change", zip_file, "--results", tmp_path / "absent")
    assert nothing.code == 0 and "Random forest" in nothing.out


def test_grades(tmp_path: Path) -> None:
    record = read_record(written(tmp_path, "cnn", 0, 16))
    row = record.conditions[0]
    sharper = record.model_copy(update={"conditions": [row.model_copy(update={"nll": 0.4})]})
    other = read_record(written(tmp_path, "cnn", 1, 17))
    elsewhere = record.split.model_copy(update={"digest": "e" * 64})
    assert graded(record, record, 0.0)[0] == "same bits"
    assert graded(record, sharper, 0.0)[0] == "same predictions"
    assert graded(record, other, 6.0)[0] == "inside the interval"
    assert graded(record, other, 4.0)[0] == "failed"
    fewer = record.model_copy(update={"conditions": [row, row]})
    assert graded(fewer, record, 9.0) == ("failed", "the test conditions are others")
    moved = record.model_copy(update={"split": elsewhere})
    assert graded(record, moved, 9.0) == ("failed", "the split is another")


def test_a_record_in_another_method_s_folder_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "cnn", 0)
    other = path.parent.with_name("random_forest") / path.name
    other.parent.mkdir()
    path.rename(other)
    with pytest.raises(HarbenchError, match="its record is of another run"):
        unpack(pack([other]), "x")


def test_the_submitter_s_spread_buys_no_room(tmp_path: Path) -> None:
    paths = [written(tmp_path, "cnn", seed, right) for seed, right in enumerate((2, 10, 18))]
    submission = unpack(pack(paths), "x")
    margins = [_margin(submission, r, name) for name, (_, r) in submission.records.items()]
    assert margins == [LARGEST_MARGIN] * 3
    (name, (_, record)), *_ = submission.records.items()
    alone = unpack(pack(paths[:2]), "x")
    assert _margin(alone, record, name) == 0


def test_a_stranger_s_words_do_not_steer_a_terminal(tmp_path: Path) -> None:
    values = json.loads(written(tmp_path, "cnn", 0).read_text())
    values["identity"]["config"] = {"\x1b[2J" * 500: 1}
    (path,) = tmp_path.rglob("seed-0.json")
    path.write_text(json.dumps(values))
    (cell,) = audit(unpack(pack([path]), "x"), "salt", 1).cells
    assert cell.grade == "failed" and "\x1b" not in cell.detail and len(cell.detail) <= 500


def test_an_audit_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    for text in ("{", "[]", '{"schema": 1}'):
        file.write_text(text)
        with pytest.raises(HarbenchError, match=r"audit.json: .*Audit again"):
            read_audit(file)
    with pytest.raises(HarbenchError, match="cannot be read"):
        read_audits([tmp_path / "absent.json"])


def test_foreign_code_is_not_run_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, file = written(tmp_path, "my_net", 0), tmp_path / "my_net.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    held = unpack(pack([path], [file]), "x")
    with pytest.raises(HarbenchError, match="--run-code"):
        audit(held, "salt", 1)
    assert not (tmp_path / "ran").exists()
    found = audit(held, "salt", 1, run_code=True)
    assert (tmp_path / "ran").exists() and found.cells[0].grade == "failed"
    assert "registers no method" in found.cells[0].detail


def test_a_changed_number_does_not_pass(cli: Cli, spar_cache: Path, tmp_path: Path) -> None:
    asked = ("--method", "random_forest", "--protocol", "clean", "--budget", "smoke")
    assert cli("run", *asked, "--seeds", "0").code == 0
    zip_file, out, results = tmp_path / "s.zip", tmp_path / "audit.json", tmp_path / "results"
    assert cli("leaderboard", "submit", results, "--out", zip_file).code == 0
    again = ("leaderboard", "audit", zip_file, "--salt", "later", "--out", out)
    shown = cli(*again, "--dry-run")
    assert "drawn: records/spar/clean/smoke/random_forest/seed-0.json" in shown.out
    found = cli(*again)
    assert found.code == 0 and "same bits" in found.out and "audited 1/1" in found.out
    site = tmp_path / "site"
    assert cli("leaderboard", "build", "--out", site, "--audit", out).code == 0
    assert "1/1" in (site / "index.html").read_text()
    (path,) = results.rglob("seed-0.json")
    values = json.loads(path.read_text())
    values["conditions"][0]["nll"] += 0.001
    path.write_text(json.dumps(values))
    assert cli("leaderboard", "submit", path, "--out", zip_file).code == 0
    assert "same predictions" in cli(*again).out
    hasty = cli(*again, "--at-most", "0")
    assert hasty.code == 2 and "Nothing can be run again" in hasty.err
    kept = zip_file.read_bytes()
    assert "would be lost" in cli(*again[:-1], zip_file).err
    assert "would be lost" in cli("leaderboard", "submit", path, "--out", path).err
    other = {**values, "identity": {**values["identity"], "code": "0" * 64}}
    path.write_text(json.dumps(other))
    refused = cli("leaderboard", "submit", path, "--out", zip_file)
    assert refused.code == 2 and "made by other code than today's random_forest" in refused.err
    assert zip_file.read_bytes() == kept
    values["identity"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(values))
    assert cli("leaderboard", "submit", path, "--out", zip_file).code == 0
    refused = cli(*again)
    assert refused.code == 1 and "failed" in refused.out and "data has changed" in refused.out


def test_a_dataset_s_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w')\n")
    values = json.loads(written(tmp_path / "results", "cnn", 0).read_text())
    values["identity"]["dataset"] = "evil.py"
    path = tmp_path / "results" / "evil.py" / "clean" / "quick" / "cnn" / "seed-0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))
    with pytest.raises(HarbenchError, match="Unknown dataset"):
        audit(unpack(pack([path]), "x"), "salt", 1)
    assert not (tmp_path / "ran").exists()


def test_a_method_of_two_files_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An audit elsewhere would lack the second."""
    (tmp_path / "odd_part.py").write_text("WIDTH = 4\n")
    file = tmp_path / "my_net.py"
    file.write_text(
        "import odd_part\nfrom harbench.method import register_method\n"
        "from harbench.methods.cnn import CNN\n"
        "@register_method\nclass MyNet(CNN):\n    name = 'my_net'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    held = unpack(pack([written(tmp_path, "my_net", 0)], [file]), "x")
    with pytest.raises(HarbenchError, match=r"my_net\.py imports odd_part, which a submission"):
        require_code(held, [file])


def test_what_the_board_would_leave_out_is_not_packed(tmp_path: Path) -> None:
    root = grid(tmp_path / "results")
    odd = root / DATASET / "clean" / "quick" / "cnn" / "seed-1.json"
    values = json.loads(odd.read_text())
    values["identity"]["config"] = {"width": 3}
    odd.write_text(json.dumps(values))
    with pytest.raises(HarbenchError, match="have different configurations, which one row never"):
        pack([root])


def test_a_method_without_a_record_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("")
    with pytest.raises(HarbenchError, match=r"other\.py: there is no record of other\."):
        pack([grid(tmp_path / "results")], [tmp_path / "other.py"])


def test_a_record_that_is_named_twice_is_packed_once(tmp_path: Path, packed: bytes) -> None:
    root = grid(tmp_path / "results")
    assert pack([root, next(root.rglob("seed-0.json")), root]) == packed
