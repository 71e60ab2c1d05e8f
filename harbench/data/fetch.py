"""Raw archives: where they are looked for, and how they are downloaded and checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import unquote, urlparse

from harbench.data.paths import cache_dir, data_dir, writing
from harbench.dataset import Dataset
from harbench.errors import HarbenchError, one_line


def locate(dataset: Dataset, given: Path | None) -> Path:
    """The raw data of `dataset`: the given path, `$HARBENCH_DATA`, or a (new) download."""
    if given is not None:
        if not given.exists():
            raise HarbenchError(f"{given} does not exist: --from takes a zip file or a folder.")
        return given
    folder = data_dir()
    if folder is not None:
        raw = dataset.raw_name
        for candidate in (f"{raw}.zip", dataset.archive, raw):
            if candidate and (folder / candidate).exists():
                return folder / candidate
    return download(dataset)


def download(dataset: Dataset) -> Path:
    """Download the official archive once; its sha256 is recorded then and checked afterwards."""
    if dataset.embedded:
        raise HarbenchError(f"Dataset {dataset.name!r} needs no download.")
    url = dataset.info.url
    if not url:
        raise HarbenchError(
            f"Dataset {dataset.name!r} has no official address to fetch from. {dataset.obtain} "
            f"Then use `harbench data prepare {dataset.name} --from PATH`, or put it into "
            f"$HARBENCH_DATA as {dataset.name} (a folder) or {dataset.name}.zip."
        )
    target = cache_dir() / "downloads" / Path(unquote(urlparse(url).path)).name
    note = target.with_name(target.name + ".sha256")
    if not target.is_file():
        _retrieve(url, target, dataset.name)
        with writing(note) as temporary:
            temporary.write_text(_sha256(target) + "\n")
    elif note.is_file() and note.read_text().strip() != _sha256(target):
        raise HarbenchError(f"{target} has changed since its download. Delete it and fetch again.")
    return target


def _retrieve(url: str, target: Path, name: str) -> None:
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=_Progress(name), timeout=60)
    try:
        with writing(target) as temporary:
            downloader(url, str(temporary), None)
    except HarbenchError as error:
        # requests' connection errors are OSErrors, which `writing` reports as a disk problem.
        cause = error.__cause__
        if cause is None or cause.__class__.__module__.startswith("requests"):
            raise _unreachable(url, name, cause or error) from cause
        raise
    except Exception as error:  # pooch and requests raise many kinds; all mean "not fetched"
        raise _unreachable(url, name, error) from error


def _unreachable(url: str, name: str, error: BaseException) -> HarbenchError:
    return HarbenchError(
        f"Could not download dataset {name!r} from {url} ({one_line(error)[:160]}). "
        f"Fetch the file by hand and run: harbench data prepare {name} --from FILE"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Progress:
    """The small interface that pooch asks of a progress bar, drawn by rich."""

    def __init__(self, name: str) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        self.bar = Progress(
            "[bold]{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn()
        )
        self.task = self.bar.add_task(f"fetching {name}", total=None)
        self.total = 0

    def __setattr__(self, key: str, value: object) -> None:
        super().__setattr__(key, value)
        if key == "total" and value:
            self.bar.update(self.task, total=float(str(value)))
            self.bar.start()

    def update(self, amount: int) -> None:
        """Advance by `amount` bytes."""
        self.bar.advance(self.task, amount)

    def reset(self) -> None:
        """Go back to zero bytes."""
        self.bar.reset(self.task)

    def close(self) -> None:
        """End the display."""
        self.bar.stop()
