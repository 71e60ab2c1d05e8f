"""Splits: disjoint, stratified, leak-free where promised; labelled subsets inside training."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.data.splits import (
    labelled_subset,
    leakage,
    split,
    stratified,
    subject_folds,
    touching,
)
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, HARDataset, Sensor
from harbench.errors import HarbenchError
from harbench.streams import stream

INFO = DatasetInfo("t", (Sensor("s", (0, 0, 0)),), ("x",), ("g",), ("a", "b", "c"), 10.0, "", "")
STEPS = 20


def dataset(subjects: int = 6, per_recording: int = 30, step: int = 10) -> HARDataset:
    """One recording per (subject, class), overlapping windows."""
    labels = np.repeat(np.tile(np.arange(3), subjects), per_recording)
    windows = np.zeros((len(labels), STEPS, 1, 1), dtype=np.float32)
    whole = from_arrays(windows, labels, INFO)
    owners = np.repeat(np.arange(3 * subjects), per_recording)
    return dataclasses.replace(
        whole,
        subjects=np.array([f"p{o // 3}" for o in owners]),
        recordings=owners,
        starts=np.tile(np.arange(per_recording) * step, 3 * subjects),
    )


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
    lift=st.booleans(),
)
def test_stratified_keeps_proportions(
    counts: list[int], share: float, seed: int, lift: bool
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    count = round(share * len(labels))
    chosen = stratified(labels, count, stream(seed, "test"), at_least_one=lift)
    assert len(np.unique(chosen)) == len(chosen)
    got = np.bincount(labels[chosen], minlength=len(counts))
    exact = count * np.array(counts) / len(labels)
    assert np.all(np.abs(got - exact) < 1 + lift)
    if lift:
        assert got.min() >= 1
    else:
        assert len(chosen) == count


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["random", "subject", "loso", "recording"]),
    seed=st.integers(0, 5),
    fraction=st.floats(0.02, 1.0),
)
def test_parts_are_disjoint_and_labels_lie_in_training(
    kind: str, seed: int, fraction: float
) -> None:
    data = dataset()
    parts = split(data, kind, fraction, seed, folds=6)  # type: ignore[arg-type]
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert len(np.unique(everything)) == len(everything)
    assert np.isin(parts.labelled, parts.train).all()
    assert set(data.labels[parts.labelled]) == set(data.labels[parts.train])
    if kind != "recording":
        assert len(everything) == len(data)
    if kind in ("subject", "loso"):
        owners = [set(data.subjects[p]) for p in (parts.train, parts.validation, parts.test)]
        assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
    if kind != "random":
        assert leakage(data, parts) == 0


def test_random_split_is_8_1_1_and_stratified() -> None:
    data = dataset()
    parts = split(data, "random", 0.15, 0)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (432, 54, 54)
    for part in (parts.train, parts.validation, parts.test):
        assert len(set(np.bincount(data.labels[part]))) == 1
    assert len(parts.labelled) == round(0.15 * 432)


def test_labelled_subsets_are_nested_in_the_fraction() -> None:
    data = dataset()
    train = split(data, "random", 1.0, 3).train
    subsets = [set(labelled_subset(data, "random", train, f, 3)) for f in (0.05, 0.15, 0.5, 1.0)]
    assert all(small <= large for small, large in itertools.pairwise(subsets))
    assert subsets[-1] == set(train)


def test_loso_leaves_out_the_subject_that_the_seed_names() -> None:
    data = dataset()
    for seed in range(6):
        assert set(data.subjects[split(data, "loso", 0.15, seed).test]) == {f"p{seed}"}
    with pytest.raises(HarbenchError, match="from 0 to 5, got 6"):
        split(data, "loso", 0.15, 6)


def test_recording_split_leaves_a_gap_between_parts() -> None:
    data = dataset()
    parts = split(data, "recording", 0.15, 0)
    for ours, theirs in ((parts.train, parts.test), (parts.validation, parts.test)):
        for owner in np.unique(data.recordings):
            a = data.starts[ours[data.recordings[ours] == owner]]
            b = data.starts[theirs[data.recordings[theirs] == owner]]
            if len(a) and len(b):
                assert np.abs(a[:, None] - b[None]).min() >= 2 * STEPS


def test_random_split_of_overlapping_windows_leaks() -> None:
    data = dataset()
    parts = split(data, "random", 0.15, 0)
    brute = [
        np.any(
            (data.recordings[parts.train] == data.recordings[w])
            & (np.abs(data.starts[parts.train] - data.starts[w]) < STEPS)
        )
        for w in parts.test
    ]
    assert leakage(data, parts) == pytest.approx(np.mean(brute))
    assert leakage(data, parts) > 0.9


def test_a_split_depends_on_the_seed_and_on_the_data_only() -> None:
    data = dataset()
    again = split(dataset(), "random", 0.15, 0)
    assert split(data, "random", 0.15, 0).digest() == again.digest()
    assert split(data, "random", 0.15, 1).digest() != again.digest()
    other = dataclasses.replace(data, fingerprint="other")
    assert split(other, "random", 0.15, 0).digest() != again.digest()


def test_too_few_subjects_is_said() -> None:
    with pytest.raises(HarbenchError, match="at least 3 subjects"):
        split(dataset(subjects=2), "subject", 0.15, 0)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=3, max_size=20), folds=st.integers(3, 7))
def test_folds_test_everybody_exactly_once_and_are_balanced(sizes: list[int], folds: int) -> None:
    people = np.repeat([f"p{i:02}" for i in range(len(sizes))], sizes)
    data = dataclasses.replace(
        from_arrays(np.zeros((len(people), 2, 1, 1), np.float32), np.arange(len(people)) % 3, INFO),
        subjects=people,
    )
    groups = subject_folds(data, folds)
    assert len(groups) == min(folds, len(sizes))
    assert sorted(np.concatenate(groups)) == sorted(set(people))
    windows = [int(np.isin(people, group).sum()) for group in groups]
    # The greedy rule: a fold is heavier than the lightest one by at most the person it got last.
    assert max(windows) - min(windows) <= max(sizes)
    tested = [set(split(data, "subject", 1.0, s, folds).test) for s in range(len(groups))]
    assert sum(map(len, tested)) == len(set.union(*tested)) == len(people)


def test_folds_do_not_depend_on_the_seed_and_validate_on_the_next_fold() -> None:
    data = dataset()
    groups = subject_folds(data, 5)
    for seed in range(5):
        parts = split(data, "subject", 0.15, seed)
        assert set(data.subjects[parts.test]) == set(groups[seed])
        assert set(data.subjects[parts.validation]) == set(groups[(seed + 1) % 5])
    with pytest.raises(HarbenchError, match="go from 0 to 4, got 5"):
        split(data, "subject", 0.15, 5)


def test_windows_side_by_side_touch_though_they_share_no_sample() -> None:
    data = dataset(step=STEPS)
    random, blocks = split(data, "random", 0.15, 0), split(data, "recording", 0.15, 0)
    brute = [
        np.any(
            (data.recordings[random.train] == data.recordings[w])
            & (np.abs(data.starts[random.train] - data.starts[w]) <= STEPS)
        )
        for w in random.test
    ]
    assert leakage(data, random) == 0
    assert touching(data, random) == pytest.approx(np.mean(brute))
    assert touching(data, random) > 0.9
    assert touching(data, blocks) == touching(data, split(data, "subject", 0.15, 0)) == 0
