"""Finished stages on disk, found by content key; a stage in progress keeps its state beside."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from harbench.data.paths import cache_dir, locked, write_json
from harbench.training import checkpoint


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
        if not self.has(key):
            return None
        note: dict[str, Any] = json.loads(self._note(key).read_text())
        found = checkpoint.load(self._weights(key))
        if found is None or _sha256(self._weights(key)) != note["sha256"]:
            return None
        network.load_state_dict(found[0])
        return note

    def save(self, key: str, network: nn.Module, note: dict[str, Any]) -> None:
        """Keep a finished stage and drop its partial state."""
        checkpoint.save(self._weights(key), dict(network.state_dict()), {})
        write_json(self._note(key), {**note, "sha256": _sha256(self._weights(key))})
        self.partial(key).unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """Forget a stage, finished or not."""
        for path in (self._note(key), self._weights(key), self.partial(key)):
            path.unlink(missing_ok=True)

    def lock(self, key: str) -> AbstractContextManager[None]:
        """Only one process trains a stage; another one that needs it waits and then loads it."""
        return locked(self.folder / f"{key}.lock")

    def _weights(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
