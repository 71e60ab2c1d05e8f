"""The datasets and splits of a plan, each made once for all of its runs."""

from __future__ import annotations

from functools import cache

from harbench.data import splits, store
from harbench.data.missing import corruptions, counted
from harbench.dataset import HARDataset
from harbench.protocol import Protocol


def protocol_split(dataset: HARDataset, protocol: Protocol, seed: int) -> splits.Split:
    """The split that a protocol prescribes for a seed."""
    return splits.split(dataset, protocol.split, protocol.label_fraction, seed, protocol.folds)


class Prepared:
    """What the runs of one plan share; it lives as long as the plan is made and shown."""

    def __init__(self) -> None:
        self.dataset = cache(store.load)
        self._splits: dict[tuple[object, ...], splits.Split] = {}
        self._possible: set[tuple[object, ...]] = set()

    def split(self, dataset: HARDataset, protocol: Protocol, seed: int) -> splits.Split:
        """The split that a protocol prescribes for a seed."""
        key = (*_parts(dataset, protocol, seed), protocol.label_fraction)
        if key not in self._splits:
            self._splits[key] = protocol_split(dataset, protocol, seed)
        return self._splits[key]

    def check(self, dataset: HARDataset, protocol: Protocol, seed: int) -> None:
        """Find out before training whether the split and the corruption are possible."""
        split, replay = self.split(dataset, protocol, seed), protocol.replay
        parts = _parts(dataset, protocol, seed)
        lost = protocol.train_missing
        if lost.corrupts and (*parts, lost) not in self._possible:
            for part in (split.train, split.validation):
                list(corruptions([lost], dataset, part, seed))
            self._possible.add((*parts, lost))
        new = [each for each in protocol.conditions if (*parts, each, replay) not in self._possible]
        for condition, _ in corruptions(new, dataset, split.test, seed, replay=replay):
            counted(condition, dataset, split.test, seed)
            self._possible.add((*parts, condition, replay))


def _parts(dataset: HARDataset, protocol: Protocol, seed: int) -> tuple[object, ...]:
    """What decides which windows are trained on and tested, whatever their labels."""
    folds = protocol.folds if protocol.split == "subject" else 0
    return dataset.fingerprint, protocol.split, folds, seed
