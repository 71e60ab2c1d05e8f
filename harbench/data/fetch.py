"""Raw archives: where they are looked for, and how they are downloaded and checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from harbench.data.origin import remembered
from harbench.data.paths import cache_dir, cannot_write, data_dir, locked, writing
from harbench.dataset import Dataset
from harbench.errors import HarbenchError, one_line
from harbench.registry import spoken

if TYPE_CHECKING:
    import requests


def locate(dataset: Dataset, given: Path | None) -> Path:
    """The raw data of `dataset`: the given path, what is at hand, or a (new) download."""
    if given is not None:
        if not given.exists():
            raise HarbenchError(f"{given} does not exist: --from takes a zip file or a folder.")
        return given
    return at_hand(dataset) or download(dataset)


def at_hand(dataset: Dataset) -> Path | None:
    """Where the raw data lies: the path given last with --from, or in `$HARBENCH_DATA`."""
    given = remembered(dataset)
    if given is not None:
        return given
    folder = data_dir()
    if folder is not None:
        raw = dataset.raw_name
        for candidate in (f"{raw}.zip", dataset.archive, raw):
            if candidate and (folder / candidate).exists():
                return folder / candidate
    return None


def own_folders() -> list[str]:
    """The folders in `$HARBENCH_DATA` that hold a dataset.toml, sorted."""
    folder = data_dir()
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("*/dataset.toml"))


def download(dataset: Dataset) -> Path:
    """Download the official archive once; its sha256 is recorded then and checked afterwards."""
    if dataset.embedded:
        raise HarbenchError(f"Dataset {dataset.name!r} needs no download.")
    url = dataset.info.url
    if not url:
        raw = dataset.raw_name
        spec, folder = spoken(dataset), data_dir()
        looked = f"$HARBENCH_DATA, the folder in which {raw} or {raw}.zip is looked for, is not set"
        if found := at_hand(dataset):
            raise HarbenchError(
                f"Nothing to fetch: {found} is there. Go on: harbench data prepare {spec}"
            )
        if folder:
            looked = f"there is neither {folder / raw} nor {folder / raw}.zip"
        raise HarbenchError(
            f"Dataset {spec!r}: {looked}, and no official address to fetch from. {dataset.obtain} "
            f"Put it there, or say where it lies: harbench data prepare {spec} --from PATH"
        )
    target = _target(url)
    note = target.with_name(target.name + ".sha256")
    with locked(cache_dir() / "locks" / f"{target.name}.lock"):
        if not target.is_file():
            _retrieve(url, target, dataset.name)
            with writing(note) as temporary:
                temporary.write_text(_sha256(target) + "\n")
            return target
    if note.is_file() and note.read_text().strip() != _sha256(target):
        raise HarbenchError(f"{target} has changed since its download. Delete it and fetch again.")
    return target


def would_download(dataset: Dataset) -> bool:
    """Whether `locate` would fetch the archive over the network."""
    url = dataset.info.url
    return bool(url) and at_hand(dataset) is None and not _target(url).is_file()


def _target(url: str) -> Path:
    """Where a downloaded archive lies."""
    return cache_dir() / "downloads" / Path(unquote(urlparse(url).path)).name


def _retrieve(url: str, target: Path, name: str) -> None:
    """Download to `target`, going on where an earlier try was cut off.

    What has arrived lies in a .part file beside `target`, the server's word for that version in
    .part.version; where it has another version by now, or cannot go on, all is fetched anew.
    """
    import pooch

    part = target.with_name(f"{target.name}.part")
    version = target.with_name(f"{part.name}.version")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:

            def answered(response: requests.Response, **_: object) -> None:
                if response.status_code == 200:
                    file.truncate(0)
                    mark = response.headers.get("ETag") or response.headers.get("Last-Modified")
                    version.write_text(mark or "")
                elif response.status_code == 416:
                    version.unlink(missing_ok=True)

            headers = {"Accept-Encoding": "identity"}
            known = version.read_text() if version.is_file() else ""
            if file.tell() and known:
                headers |= {"Range": f"bytes={file.tell()}-", "If-Range": known}
            bar = _Progress(name)
            downloader = pooch.HTTPDownloader(
                progressbar=bar, timeout=60, headers=headers, hooks={"response": answered}
            )
            with bar.bar:
                downloader(url, file, None)
        part.replace(target)
        version.unlink(missing_ok=True)
    except Exception as error:  # pooch and requests raise many kinds; all mean "not fetched"
        if isinstance(error, OSError) and not error.__class__.__module__.startswith("requests"):
            raise cannot_write(part, error) from error
        raise _unreachable(url, name, part, error) from error


def _unreachable(url: str, name: str, part: Path, error: BaseException) -> HarbenchError:
    begun = ""
    if part.is_file() and part.stat().st_size:
        begun = " What has arrived is kept: the same command goes on from there."
    else:
        part.unlink(missing_ok=True)
    return HarbenchError(
        f"Could not download dataset {name!r} from {url} ({one_line(error)[:160]}).{begun} A "
        f"file fetched by hand is read by: harbench data prepare {name} --from FILE"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Progress:
    """The small interface that pooch asks of a progress bar, drawn by rich."""

    def __init__(self, name: str) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
        )
        self.task = self.bar.add_task(f"fetching {name}", total=None)
        self.total = 0

    def __setattr__(self, key: str, value: object) -> None:
        super().__setattr__(key, value)
        if key == "total" and value:
            self.bar.update(self.task, total=float(str(value)))

    def update(self, amount: int) -> None:
        """Advance by `amount` bytes."""
        self.bar.advance(self.task, amount)

    def reset(self) -> None:
        """Go back to zero bytes."""
        self.bar.reset(self.task)

    def close(self) -> None:
        """The display is ended by whoever began it."""
