"""Splits: disjoint, stratified, leak-free where promised; labelled subsets inside training."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.data.splits import (
    Split,
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


@settings(max_examples=60)
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
    # Largest remainders first.
    up = got > np.floor(exact)
    if not lift and up.any() and not up.all():
        assert (exact % 1)[up].min() >= (exact % 1)[~up].max() - 1e-9
    if lift:
        assert got.min() >= 1
    else:
        assert len(chosen) == count


@settings(max_examples=25)
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
        parts = split(data, "loso", 0.15, seed)
        assert set(data.subjects[parts.test]) == {f"p{seed}"}
        assert len(set(data.subjects[parts.validation])) == 1
    with pytest.raises(HarbenchError, match="from 0 to 5, got 6"):
        split(data, "loso", 0.15, 6)


def scattered(seed: int, recordings: int, most: int) -> HARDataset:
    """Recordings of different lengths, hops and activities; windows in no order."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, most, recordings)
    owners = np.repeat(random.permutation(recordings), lengths)
    hops = random.choice([1, STEPS // 2, 3 * STEPS], len(owners), p=random.dirichlet([1, 1, 1]))
    starts = np.concatenate([np.cumsum(part) for part in np.split(hops, np.cumsum(lengths)[:-1])])
    order = random.permutation(len(owners))
    labels = random.integers(0, 3, len(owners))
    labels[:3] = range(3)
    whole = from_arrays(np.zeros((len(owners), STEPS, 1, 1), np.float32), labels, INFO)
    return dataclasses.replace(whole, recordings=owners[order], starts=starts[order])


def nearest(data: HARDataset, window: int, others: np.ndarray) -> float:
    """Samples between a window's start and the next one of others of its recording."""
    same = others[data.recordings[others] == data.recordings[window]]
    return min(
        (abs(float(each)) for each in data.starts[same] - data.starts[window]), default=np.inf
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), recordings=st.integers(8, 30))
def test_a_recording_split_holds_out_blocks_and_drops_only_what_is_near(
    seed: int, recordings: int
) -> None:
    data = scattered(seed, recordings, 40)
    blocks = []
    for owner in np.unique(data.recordings):
        windows = np.flatnonzero(data.recordings == owner)
        windows = windows[np.argsort(data.starts[windows], kind="stable")]
        blocks += [windows[i : i + 10] for i in range(0, len(windows), 10)]
    parts = split(data, "recording", 1.0, 0)
    test, kept = set(parts.test), set(parts.validation) | set(parts.train)
    held = [block for block in blocks if set(block) & test]
    assert all(set(block) <= test for block in held) and len(held) == round(0.1 * len(blocks))
    assert sum(map(len, held)) == len(test)
    validated = [block for block in blocks if set(block) & set(parts.validation)]
    assert len(validated) <= round(0.1 * len(blocks))
    assert not {w for block in validated for w in block} & set(parts.train)
    main = np.array([np.bincount(data.labels[block], minlength=3).argmax() for block in blocks])
    got = np.bincount([main[i] for i, block in enumerate(blocks) if set(block) & test], minlength=3)
    assert np.all(np.abs(got - len(held) * np.bincount(main, minlength=3) / len(blocks)) < 1)
    away = np.union1d(parts.test, parts.validation)
    dropped = set(range(len(data))) - test - kept
    assert all(nearest(data, w, away) >= 2 * STEPS for w in parts.train)
    assert all(nearest(data, w, parts.test) >= 2 * STEPS for w in parts.validation)
    if all(set(block) <= set(parts.validation) for block in validated) and (
        len(validated) == round(0.1 * len(blocks))
    ):
        assert all(nearest(data, w, away) < 2 * STEPS for w in dropped)


def test_what_is_too_short_for_a_recording_split_is_said() -> None:
    short = scattered(0, 3, 5)
    with pytest.raises(HarbenchError, match="leaves no validation window in a 'recording' split"):
        split(short, "recording", 0.15, 0)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), recordings=st.integers(1, 6))
def test_leakage_and_touching_are_what_they_say(seed: int, recordings: int) -> None:
    data = scattered(seed, recordings, 20)
    if len(data) < 10:
        return
    parts = split(data, "random", 0.5, 0)
    near = np.array([nearest(data, w, parts.train) for w in parts.test])
    assert leakage(data, parts) == pytest.approx(np.mean(near < STEPS))
    same = np.diff(data.recordings) == 0
    hops = [hop for hop in np.diff(data.starts)[same] if hop > 0]
    usual = int(np.median(hops)) if hops else 0
    assert touching(data, parts) == pytest.approx(np.mean(near <= max(STEPS, usual)))


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


@settings(max_examples=40)
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
    # The greedy rule: a fold is heavier than the lightest by at most its last, its smallest person.
    smallest = [min(int((people == person).sum()) for person in group) for group in groups]
    assert all(w - last <= min(windows) for w, last in zip(windows, smallest, strict=True))
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


@pytest.mark.parametrize(("apart", "share"), [(STEPS, 1.0), (STEPS + 1, 0.0)])
def test_one_sample_more_than_side_by_side_does_not_touch(apart: int, share: float) -> None:
    starts = np.arange(9) * STEPS
    starts[4:] += apart - STEPS
    starts[5:] += apart - STEPS
    whole = from_arrays(np.zeros((9, STEPS, 1, 1), np.float32), np.arange(9) % 3, INFO)
    data = dataclasses.replace(whole, starts=starts, recordings=np.zeros(9, dtype=np.int64))
    others = np.delete(np.arange(9), 4)
    assert touching(data, Split(others, others, np.array([4]), others)) == share
