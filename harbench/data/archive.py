"""Raw files inside a zip or a folder, read without unpacking anything."""

from __future__ import annotations

import fnmatch
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harbench.errors import HarbenchError


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

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A stream of one file; what is wrong with it is said with its name."""
        if self.archive is None:
            path = Path(self.source) / name
            self._check(name, path.stat().st_size)
            with path.open("rb") as file:
                yield file
            return
        self._check(name, self.archive.getinfo(name).file_size)
        try:
            with self.archive.open(name) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError) as e:
            raise HarbenchError(f"{self.source}: {name} cannot be read ({e}).") from e

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
    except zipfile.BadZipFile as error:
        raise HarbenchError(
            f"{source} is not a complete zip file ({error}). Download it again, or give the "
            "unpacked folder with --from."
        ) from error
    with archive:
        names = archive.namelist()
        found = sorted(n for n in names if fnmatch.fnmatchcase(n.rpartition("/")[2], pattern))
        yield Members(source, found, largest, archive)
