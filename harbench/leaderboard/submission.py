"""A submission: records, the code of their methods and a lock of versions in one zip.

The same content gives the same bytes. Reading one is reading what a stranger wrote: names come from
a short list of patterns, sizes are bounded while reading, and nothing is unpacked to a disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

from harbench import __version__, discovery
from harbench.analysis.pairs import named
from harbench.errors import HarbenchError, one_line
from harbench.leaderboard.board import BLOCK
from harbench.registry import method_class
from harbench.running.reading import misfit, read_folder, read_record
from harbench.running.records import Identity, Record
from harbench.running.rows import frame
from harbench.training.identity import method_code, method_modules

MANIFEST, LOCK, SCHEMA = "manifest.json", "requirements.txt", 1
WORD = r"[A-Za-z0-9_][A-Za-z0-9_+=.,-]{0,199}"
RECORD = re.compile(rf"records/(?:{WORD}/){{4,8}}seed-\d{{1,16}}\.json")
METHOD = re.compile(r"methods/[a-z_][a-z0-9_]{0,63}\.py")
MOST_FILES, LARGEST_FILE, LARGEST, LARGEST_ZIP = 10_000, 20_000_000, 500_000_000, 200_000_000
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Submission:
    """What a zip holds. records: name -> bytes and record; methods: name of the method -> source.

    digest: sha256 over the names and contents of all files.
    """

    digest: str
    records: dict[str, tuple[bytes, Record]]
    methods: dict[str, bytes]
    lock: str


def pack(paths: Iterable[Path], methods: Sequence[Path] = ()) -> bytes:
    """The zip of some records (files, or folders of them) and their methods' code.

    methods: files of methods that are not registered here. Raises HarbenchError where a record
    does not hold, where a leaderboard would not compare the records with each other, where a
    method's code is not at hand, or of no record, or where names cannot be packed.
    """
    files = {f"methods/{path.name}": _source(path) for path in methods}
    records = _records(paths)
    for _, block in frame(records).groupby(BLOCK, sort=True):
        named(block)
    own = {record.identity.method for _, record in records}
    for path in methods:
        if path.stem not in own:
            raise HarbenchError(f"--method {path}: there is no record of {path.stem}.")
    for path, record in records:
        files[_place(record.identity, path.absolute().parent.name)] = path.read_bytes()
        module = f"methods/{record.identity.method}.py"
        files[module] = files.get(module) or _registered(record.identity.method)
    files[LOCK] = lock().encode()
    files[MANIFEST] = _manifest(files)
    for name in files:
        _check_name(name, "this submission")
    data = _zipped(files)
    unpack(data, "this submission")
    return data


def read_submission(path: Path) -> Submission:
    """The checked content of a submission; HarbenchError says what is wrong with it."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise HarbenchError(f"{path}: not a file.")
        if state.st_size > LARGEST_ZIP:
            raise HarbenchError(f"{path}: {state.st_size} bytes; at most {LARGEST_ZIP} are read.")
        return unpack(path.read_bytes(), str(path))
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read ({error.strerror}).") from error


def unpack(data: bytes, where: str) -> Submission:
    """The checked content of a zip in memory. where: what errors call it."""
    try:
        files = _contents(data, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
            UnicodeDecodeError, ValueError, OSError) as error:  # fmt: skip
        if isinstance(error, HarbenchError):
            raise
        raise HarbenchError(f"{where}: a damaged zip ({one_line(error)}). Pack it anew.") from error
    _check_manifest(files, where)
    records = {}
    for name, content in files.items():
        if name.startswith("records/"):
            records[name] = (content, _record(name, content, where))
    if not records:
        raise HarbenchError(f"{where}: holds no record.")
    methods = {
        PurePosixPath(name).stem: content
        for name, content in files.items()
        if name.startswith("methods/")
    }
    for name, (_, record) in records.items():
        if record.identity.method not in methods:
            raise HarbenchError(f"{where}: {name}: lacks methods/{record.identity.method}.py.")
    return Submission(_digest(files), records, methods, files[LOCK].decode(errors="replace"))


def require_code(submission: Submission, methods: Iterable[Path]) -> None:
    """Raise HarbenchError where the code of a method is not what made its records, or not in it.

    methods: files of methods that are not registered here; they are imported.
    """
    sources = {path.stem: str(path.absolute()) for path in methods}
    for name, (_, record) in submission.records.items():
        method = record.identity.method
        source = sources.get(method, method)
        cls = method_class(source)
        beside = [part for part in method_modules(cls)[1:] if not part.startswith("harbench.")]
        if beside:
            raise HarbenchError(
                f"{source} imports {', '.join(beside)}, which a submission does not hold: a method "
                "is one file. Put what it needs of these into it, run it again, then submit."
            )
        if method_code(cls) != record.identity.code:
            raise HarbenchError(
                f"{name} was made by other code than today's {source}: run it again, then submit."
            )


def lock() -> str:
    """Every installed package with its version, as pip reads it."""
    found = {dist.metadata["Name"].lower(): dist.version for dist in distributions()}
    return "".join(f"{name}=={found[name]}\n" for name in sorted(found))


def _records(paths: Iterable[Path]) -> list[tuple[Path, Record]]:
    found: dict[Path, tuple[Path, Record]] = {}
    for path in paths:
        if not path.is_dir():
            found[path.resolve()] = path, read_record(path)
            continue
        folder = read_folder(path)
        if folder.problems:
            first = str(folder.problems[0]).rstrip(".")
            raise HarbenchError(f"{first}. Mend or remove it before you submit.")
        found |= {each[0].resolve(): each for each in folder.records}
    if not found:
        raise HarbenchError(f"No records in {', '.join(map(str, paths))}.")
    return list(found.values())


def _source(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read ({error.strerror}).") from error


def _registered(method: str) -> bytes:
    text = discovery.source(discovery.modules("methods").get(method, ""))
    if not text:
        raise HarbenchError(
            f"The code of method {method!r} is not at hand. Name its file: --method {method}.py"
        )
    return text.encode()


def _manifest(files: Mapping[str, bytes]) -> bytes:
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    said = {"schema": SCHEMA, "harbench": __version__, "files": hashes}
    return (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name], compresslevel=9)
    return buffer.getvalue()


def _contents(data: bytes, where: str) -> dict[str, bytes]:
    """Every file of the zip, each read no further than it may be long."""
    files: dict[str, bytes] = {}
    total = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise HarbenchError(f"{where}: {len(entries)} files; at most {MOST_FILES} are read.")
        for entry in entries:
            _check_name(entry.filename, where)
            if entry.filename in files:
                raise HarbenchError(f"{where}: {entry.filename!r} is there twice.")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise HarbenchError(f"{where}: {entry.filename!r} is a link.")
            with archive.open(entry) as file:
                # What the zip says of a size is not believed.
                content = file.read(LARGEST_FILE + 1)
            total += len(content)
            if len(content) > LARGEST_FILE or total > LARGEST:
                raise HarbenchError(f"{where}: {entry.filename!r} makes it too large.")
            files[entry.filename] = content
    return files


def _check_name(name: str, where: str) -> None:
    known = name in (MANIFEST, LOCK) or RECORD.fullmatch(name) or METHOD.fullmatch(name)
    if not known or ".." in name:
        raise HarbenchError(f"{where}: no submission has a file called {name[:200]!r}.")


def _check_manifest(files: Mapping[str, bytes], where: str) -> None:
    """The manifest must name exactly the other files, with their hashes."""
    for name in (MANIFEST, LOCK):
        if name not in files:
            raise HarbenchError(f"{where}: lacks {name}. Pack it with harbench leaderboard submit.")
    others = {name: content for name, content in files.items() if name != MANIFEST}
    try:
        said = json.loads(files[MANIFEST])
        version, hashes = said["schema"], dict(said["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise HarbenchError(f"{where}: {MANIFEST}: {one_line(error)}. Pack it anew.") from None
    if version != SCHEMA:
        raise HarbenchError(f"{where}: {MANIFEST}: schema {version!r}, not {SCHEMA}. Pack it anew.")
    for name in sorted({*hashes, *others}):
        found = hashlib.sha256(others[name]).hexdigest() if name in others else "absent"
        if hashes.get(name) != found:
            raise HarbenchError(f"{where}: {name!r} is not what {MANIFEST} says. Pack it anew.")


def _record(name: str, content: bytes, where: str) -> Record:
    """A record that holds and lies where its identity says."""
    try:
        record = Record.model_validate_json(content)
    except (ValueError, ArithmeticError) as error:
        raise HarbenchError(f"{where}: {name}: no valid record ({one_line(error)}).") from None
    path = PurePosixPath(name)
    if _place(record.identity, path.parent.name) != name or misfit(Path(name), record):
        raise HarbenchError(f"{where}: {name}: its record is of another run.")
    if record.lacking:
        raise HarbenchError(f"{where}: {name}: the condition {record.lacking[0]} is missing.")
    return record


def _place(said: Identity, label: str) -> str:
    folders = ("records", said.dataset, said.protocol, said.budget, label)
    return "/".join((*folders, f"seed-{said.seed}.json"))


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\n{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return whole.hexdigest()
