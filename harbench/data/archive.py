"""Raw files inside a zip or a folder, read without unpacking anything."""

from __future__ import annotations

import fnmatch
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harbench.errors import HarbenchError, one_line

# RuntimeError: encrypted, or of a version or compression that is not known.
UNREADABLE = (
    *(OSError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)
LONGEST_REASON = 160
# A packed file that swells more than this, to at least so many bytes, is not read.
HIGHEST_RATIO, SUSPICIOUS = 200, 50_000_000
# Called with the share of a source's files that have been read.
WATCH: ContextVar[Callable[[float], None]] = ContextVar("watch", default=lambda _: None)


@dataclass(frozen=True)
class Members:
    """The files of one source by name, forward slashes between folders.

    source: the zip or folder; a text that says where it lies for a zip inside a zip. largest:
    bytes that a file may have; a larger one is refused before it is read.
    """

    source: Path | str
    names: list[str]
    largest: int
    archive: zipfile.ZipFile | None
    done: set[str] = field(default_factory=set)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A stream of one file; what is wrong with it is said with its name."""
        path = Path(self.source) / name
        try:
            if self.archive is None:
                self._check(name, path.stat().st_size)
                stream: IO[bytes] = path.open("rb")
            else:
                packed = self.archive.getinfo(name)
                self._check(name, packed.file_size)
                if packed.file_size > max(SUSPICIOUS, HIGHEST_RATIO * packed.compress_size):
                    raise HarbenchError(
                        f"{self.source}: {name} would swell {HIGHEST_RATIO} times and more, to "
                        f"{packed.file_size:,} bytes: no recording does. Unpack it by hand if it "
                        "is yours, and give the folder."
                    )
                stream = self.archive.open(name)
            with stream as file:
                yield file
            self.done.add(name)
            if isinstance(self.source, Path):
                WATCH.get()(len(self.done) / len(self.names))
        except UNREADABLE as error:
            reason = one_line(error)[:LONGEST_REASON]
            raise HarbenchError(f"{self.source}: {name} cannot be read ({reason}).") from error

    def read(self, name: str) -> bytes:
        """All of one file."""
        with self.open(name) as file:
            return file.read()

    def _check(self, name: str, size: int) -> None:
        if size > self.largest:
            raise HarbenchError(
                f"{self.source}: {name} is {size:,} bytes long; at most {self.largest:,} are "
                "expected."
            )


def is_number(field: bytes) -> bool:
    """Whether a field of a text file is a number as pandas reads it."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


@contextmanager
def open_source(source: Path, pattern: str, largest: int) -> Iterator[Members]:
    """The files below `source` (zip or folder) whose last part matches `pattern`, sorted."""
    if source.is_dir():
        found = sorted(p.relative_to(source).as_posix() for p in source.rglob(pattern))
        yield Members(source, found, largest, None)
        return
    with _open_zip(source, source, pattern, largest) as members:
        yield members


@contextmanager
def open_inner(members: Members, name: str, pattern: str) -> Iterator[Members]:
    """The files of a zip that is itself a member; it is read into memory, never unpacked."""
    content = io.BytesIO(members.read(name))
    with _open_zip(content, f"{members.source}: {name}", pattern, members.largest) as inner:
        yield inner


@contextmanager
def _open_zip(
    file: Path | IO[bytes], source: Path | str, pattern: str, largest: int
) -> Iterator[Members]:
    try:
        archive = zipfile.ZipFile(file)
    except (*UNREADABLE, ValueError) as error:
        reason = one_line(error)[:LONGEST_REASON]
        raise HarbenchError(
            f"{source} is not a complete zip file ({reason}). Download it again, or give the "
            "unpacked folder with --from."
        ) from error
    with archive:
        names = archive.namelist()
        found = sorted(n for n in names if fnmatch.fnmatchcase(n.rpartition("/")[2], pattern))
        yield Members(source, found, largest, archive)
