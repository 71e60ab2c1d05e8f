"""Finished stages on disk, found by content key; a stage in progress keeps its state beside."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules.module import _EXTRA_STATE_KEY_SUFFIX

from harbench.data import tensor_files
from harbench.data.paths import cache_dir, leftovers, locked, remove, write_json
from harbench.errors import HarbenchError

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
NOTE = {"sha256": str, "seconds": float, "best_epoch": int, "history": list}


@dataclass(frozen=True)
class StageCache:
    """<folder>/<key>.safetensors holds the weights, <key>.json their sha256 and the history."""

    folder: Path

    @classmethod
    def default(cls) -> StageCache:
        """The cache below `$HARBENCH_CACHE`."""
        return cls(cache_dir() / "stages")

    def partial(self, key: str) -> Path:
        """Where the state of a stage in progress is kept."""
        return self.folder / f"{key}.partial.safetensors"

    def has(self, key: str) -> bool:
        """Whether a finished stage is there (not whether it is whole)."""
        return self._note(key).is_file() and self._weights(key).is_file()

    def load(self, key: str, network: nn.Module) -> dict[str, Any] | None:
        """Put the stage's weights into `network` and return its note; None if absent or damaged."""
        found = self._read(key)
        if found is None:
            return None
        note, tensors = found
        _require_own(self._weights(key), tensors)
        network.load_state_dict(tensors)
        return note

    def is_whole(self, key: str) -> bool:
        """Whether a finished stage is there and undamaged."""
        return self._read(key) is not None

    def _read(self, key: str) -> tuple[dict[str, Any], tensor_files.Tensors] | None:
        if not self.has(key):
            return None
        note, found = _read_note(self._note(key)), tensor_files.load(self._weights(key))
        if note is None or found is None or _sha256(self._weights(key)) != note["sha256"]:
            return None
        return note, found[0]

    def load_or_train(
        self, key: str, network: nn.Module, train: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """The note of a stage whose weights are in `network` now, and whether it was there before.

        train(path of its partial state) leaves the weights in `network` and returns the note.
        """
        # First without the lock: a cache that has everything may be one that cannot be written.
        found = self.load(key, network)
        if found is not None:
            return found, True
        with self.lock(key):
            found = self.load(key, network)
            if found is not None:
                return found, True
            note = train(self.partial(key))
            self.save(key, network, note)
            return note, False

    def save(self, key: str, network: nn.Module, note: dict[str, Any]) -> None:
        """Keep a finished stage and drop its partial state."""
        tensor_files.save(self._weights(key), dict(network.state_dict()), {})
        write_json(self._note(key), {**note, "sha256": _sha256(self._weights(key))})
        self.partial(key).unlink(missing_ok=True)

    def drop(self, key: str, before: float = math.inf) -> None:
        """Forget a stage, finished or not, unless it was finished after that time.

        before: seconds since the epoch. What another process trains now is waited for, and kept.
        """
        with self.lock(key):
            note = self._note(key)
            if note.is_file() and note.stat().st_mtime >= before:
                return
            for path in (note, self._weights(key), self.partial(key)):
                path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Only one process trains a stage; another one that needs it waits and then loads it.

        What a process that was killed in the middle of writing has left is removed.
        """
        with locked(self.folder / f"{key}.lock"):
            for path in leftovers(self._weights(key), self._note(key), self.partial(key)):
                remove(path)
            yield

    def _weights(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _read_note(path: Path) -> dict[str, Any] | None:
    """What `StageCache.save` noted, None where that is damaged."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(note, dict) and all(isinstance(note[k], t) for k, t in NOTE.items())
    except (OSError, ValueError, KeyError, RecursionError):
        return None
    return note if whole else None


def _require_own(path: Path, tensors: tensor_files.Tensors) -> None:
    """Refuse a fitted object, which is restored by running code, that another user has written."""
    facts = path.stat()
    own = facts.st_uid == os.geteuid() and not facts.st_mode & OTHERS_WRITE
    if not own and any(key.endswith(_EXTRA_STATE_KEY_SUFFIX) for key in tensors):
        raise HarbenchError(
            f"{path} is, or may be, written by another user; to load the fitted object in it would "
            "run code. Choose a cache of your own with $HARBENCH_CACHE."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
