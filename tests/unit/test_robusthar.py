"""RobustHAR's parts against the equations they implement."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from harbench.methods.robusthar import (
    RobustHAR,
    RobustHARConfig,
    RobustHARNet,
    keep_for_filling,
    pretraining_loss,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.errors import HarbenchError
from harbench.method import Batch, Budget, FitStage, InputShape, LabelledBatch
from harbench.nn.body import body_order, coordinate_features, distance_matrix_mix
from harbench.nn.consistency import cosine_distances
from harbench.nn.embedding import SensorPatchEmbedding
from harbench.nn.masking import Scale, masked_counts, scale_mask
from harbench.nn.patches import MOST_PATCHES, patch_steps
from harbench.options import build

TINY = RobustHAR.test_config()
PLACES = ((0.0, 0.1, 0.3), (0.4, 0.0, 0.0), (-0.4, 0.0, 0.0), (0.1, 0.0, -0.5))
SHAPE = InputShape(25, 4, 3, 5, 10.0, PLACES)


def network(config: RobustHARConfig = TINY, shape: InputShape = SHAPE) -> RobustHARNet:
    torch.manual_seed(0)
    return RobustHAR(config).build(shape)


def batch(size: int = 6, shape: InputShape = SHAPE) -> LabelledBatch:
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(size, shape.steps, shape.sensors, shape.channels, generator=draws)
    y = torch.arange(size) % shape.classes
    return LabelledBatch(x, torch.ones_like(x, dtype=torch.bool), draws, y)


@pytest.mark.parametrize(
    ("steps", "rate", "seconds", "patch"),
    [
        (125, 25, 0.25, 7),
        (125, 25, 0.5, 13),
        (125, 25, 1.0, 25),
        (150, 50, 0.5, 25),
        (128, 56.35, 0.5, 26),
        (60, 30, 0.5, 15),
        (20, 50, 1.0, 20),
        (6, 1, 0.25, 1),
    ],
)
def test_a_patch_lasts_about_as_long_as_asked(
    steps: int, rate: float, seconds: float, patch: int
) -> None:
    assert patch_steps(steps, rate, seconds) == patch


@given(
    steps=st.integers(1, 2000), rate=st.floats(0.5, 200), seconds=st.sampled_from([0.25, 0.5, 1])
)
def test_patches_cover_every_window_and_waste_little(
    steps: int, rate: float, seconds: float
) -> None:
    patch = patch_steps(steps, rate, seconds)
    patches = -(-steps // patch)
    assert 1 <= patch <= steps and 1 <= patches <= MOST_PATCHES
    assert 0 <= patches * patch - steps < patch


@settings(max_examples=20)
@given(count=st.integers(2, 6), seed=st.integers(0, 1000))
def test_body_order_is_the_shortest_path_from_the_top(count: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 3))
    order = body_order(tuple(map(tuple, points)))
    start = int(points[:, 2].argmax())

    def length(path: tuple[int, ...]) -> float:
        return float(np.linalg.norm(np.diff(points[list(path)], axis=0), axis=1).sum())

    paths = [(start, *p) for p in itertools.permutations(set(range(count)) - {start})]
    assert order[0] == start and sorted(order) == list(range(count))
    assert length(tuple(order)) == pytest.approx(min(map(length, paths)))


def test_body_order_of_many_sensors_is_a_path_that_two_opt_cannot_shorten() -> None:
    line = tuple((0.0, 0.0, -0.1 * i) for i in np.random.default_rng(0).permutation(14))
    order = body_order(line)
    assert [line[i][2] for i in order] == sorted((z for *_, z in line), reverse=True)


@settings(max_examples=50)
@given(rate=st.floats(0.01, 0.99), total=st.integers(2, 40), seed=st.integers(0, 100))
def test_mask_counts_are_the_rate_in_expectation(rate: float, total: int, seed: int) -> None:
    counts = masked_counts(rate, total, 4000, torch.Generator().manual_seed(seed)).double()
    mean = min(max(rate * total, 1), total - 1)
    assert counts.min() >= 1 and counts.max() <= total - 1
    assert counts.max() - counts.min() <= 1 and (counts - mean).abs().max() < 1 + 1e-9
    # Five standard errors of a mean of draws between two neighbouring counts.
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * 0.5 / 4000**0.5)


def test_one_of_one_is_never_masked() -> None:
    assert (masked_counts(0.5, 1, 9, torch.Generator()) == 0).all()


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.6])
@pytest.mark.parametrize(
    ("scale", "pairs", "axis_total"),
    [("sensor", False, 4), ("segment", False, 5), ("channel", False, 3), ("channel", True, 12)],
)
def test_masks_are_whole_slices_of_the_rate(
    scale: Scale, pairs: bool, axis_total: int, rate: float
) -> None:
    shape = torch.Size((2000, 23, 4, 3))
    draws = torch.Generator().manual_seed(0)
    mask = scale_mask(scale, shape, rate, 5, pairs, draws)
    whole = mask.expand(shape)
    axes = {"sensor": (2,), "segment": (1,), "channel": (2, 3) if pairs else (3,)}[scale]
    other = tuple(axis for axis in (1, 2, 3) if axis not in axes)
    assert torch.equal(whole.any(other), whole.all(other)), "a slice is masked whole"
    if scale == "segment":
        assert (mask[:, 0:5] == mask[:, :1]).all() and (mask[:, 20:] == mask[:, 20:21]).all()
    mean = max(rate * axis_total, 1) / axis_total
    assert whole.float().mean() == pytest.approx(mean, abs=0.03)
    assert not torch.equal(mask, scale_mask(scale, shape, rate, 5, pairs, draws)), "drawn afresh"


def test_each_scale_may_have_its_own_rate() -> None:
    config = dataclasses.replace(TINY, mask_rate=0.4, sensor_rate=0.2)
    assert [config.rate(s) for s in ("sensor", "channel", "segment")] == [0.2, 0.4, 0.4]  # type: ignore[arg-type]


def test_pretraining_loss_is_lambda_weighted() -> None:
    values = {}
    for lam in (0.0, 0.25, 1.0):
        net = network(dataclasses.replace(TINY, lam=lam, dropout=0.0))
        draws = torch.Generator().manual_seed(5)
        losses = pretraining_loss(net, Batch(batch().x, batch().observed, draws))
        values[lam] = {key: float(value.detach()) for key, value in losses.items()}
    parts = values[0.25]
    assert parts["loss"] == pytest.approx(
        float(0.25 * parts["reconstruction"] + 0.75 * parts["consistency"])
    )
    assert values[1.0]["loss"] == values[1.0]["reconstruction"] > 0
    assert values[0.0]["loss"] == values[0.0]["consistency"] > 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_consistency_is_the_sum_of_cosine_distances(count: int) -> None:
    torch.manual_seed(0)
    views = [torch.randn(5, 40, requires_grad=True) for _ in range(count)]
    printed = sum(
        ((1 - F.cosine_similarity(a, b)).mean() for a, b in itertools.combinations(views, 2)),
        torch.zeros(()),
    )
    torch.testing.assert_close(cosine_distances(views), printed)
    assert cosine_distances([torch.zeros(2, 3), torch.ones(2, 3)]) == 1


def test_natively_missing_values_are_no_targets() -> None:
    net = network(dataclasses.replace(TINY, lam=1.0)).eval()
    given_batch = batch()
    observed = given_batch.observed.clone()
    observed[:, :, 1, 2] = False
    losses = []
    for junk in (0.0, 100.0):
        with torch.no_grad():
            # Junk in the output, not the input: targets under the native gap must not count.
            handle = net.decoders[0].register_forward_hook(
                lambda _m, _i, out, junk=junk: out + junk * _gap(net, out)
            )
            draws = torch.Generator().manual_seed(2)
            losses.append(
                float(pretraining_loss(net, Batch(given_batch.x, observed, draws))["loss"])
            )
            handle.remove()
    assert losses[0] == pytest.approx(losses[1])


def _gap(net: RobustHARNet, out: torch.Tensor) -> torch.Tensor:
    """1 where a decoder's output belongs to sensor 1, channel 2."""
    place = torch.zeros(out.shape[1], out.shape[2] // 3, 3)
    sensors = net.variation.order.repeat(out.shape[1] // 4)
    place[sensors == 1, :, 2] = 1
    return place.flatten(1)


@pytest.mark.parametrize("stem", ["none", "conv3d"])
def test_padding_is_neutral(stem: str) -> None:
    """What the padded steps would weigh changes nothing, whatever comes before the tokens."""
    net = network(dataclasses.replace(TINY, patch=10, stem=stem))  # type: ignore[arg-type]
    x = net.variation(batch().x)
    features = net.encode(0, x)
    assert net.decode(0, features).shape == x.shape == (6, 25, 4, 3)
    embedding = net.encoders[0][0]
    torch.manual_seed(3)
    tokens = embedding(x)
    with torch.no_grad():
        weight = embedding.project.weight.view(-1, 10, 3)
        weight[:, 5:] += 100
    changed = embedding(x)
    last = slice(2 * 4, None)
    assert torch.equal(changed[:, last], tokens[:, last])
    assert not torch.allclose(changed[:, :8], tokens[:, :8])


def test_arranging_permutes_sensors_along_the_body() -> None:
    net = network()
    x = batch().x
    assert torch.equal(net.variation(x), x[:, :, body_order(PLACES)])
    assert torch.equal(net.variation.restore(net.variation(x)), x)


def test_smooth_adjacency_mixes_neighbours() -> None:
    mix = distance_matrix_mix(PLACES, 0.3)
    assert mix.sum(axis=1) == pytest.approx(1) and mix[0, 0] > mix[0, 1] > 0
    net = network(dataclasses.replace(TINY, adjacency="smooth"))
    given_batch = batch()
    assert not torch.equal(net.variation(given_batch.x), network().variation(given_batch.x))
    given_batch.observed[0, 3, 1, 2] = False
    seen = net.variation.observed(given_batch.observed)
    assert (~seen).sum() > 1 and (~seen[0, 3, :, 2]).sum() == (~seen).sum(), "mixed with a gap"


def test_without_lst3d_there_is_no_location_and_a_seeded_random_order() -> None:
    plain = dataclasses.replace(TINY, lst3d=False)
    net = network(plain)
    assert net.encoders[0][0].place is None
    assert torch.equal(net.variation.order, network(plain).variation.order)
    assert network().encoders[0][0].place is not None


NEIGHBOURS = [{"stem": "conv3d"}, {"span": 2}, {"span": 3}, {"stem": "conv3d", "span": 2}]


@pytest.mark.parametrize("changes", [{}, *NEIGHBOURS], ids=str)
def test_neighbourhood_on_the_body_is_visible_only_to_stem_and_span(
    changes: dict[str, Any],
) -> None:
    """Sensors permuted with their locations have other neighbours, and nothing else changes."""
    net = network(dataclasses.replace(TINY, **changes)).eval()
    x = net.variation(batch().x)
    order = torch.tensor([2, 0, 3, 1])
    encoder = net.encoders[0]
    features = encoder(x).unflatten(1, (-1, 4))[:, :, order]
    assert isinstance(encoder[0], SensorPatchEmbedding) and encoder[0].locations is not None
    encoder[0].locations = encoder[0].locations[order]
    permuted = encoder(x[:, :, order]).unflatten(1, (-1, 4))
    difference = float((features - permuted).detach().abs().max())
    assert difference > 0.01 if changes else difference < 1e-5


@pytest.mark.parametrize("changes", [{}, *NEIGHBOURS], ids=str)
def test_the_order_in_which_a_dataset_lists_its_sensors_is_irrelevant(
    changes: dict[str, Any],
) -> None:
    config = dataclasses.replace(TINY, **changes)
    order = [2, 0, 3, 1]
    listed = dataclasses.replace(SHAPE, positions=tuple(PLACES[i] for i in order))
    x = torch.randn(3, 25, 4, 3, generator=torch.Generator().manual_seed(0))
    seen = torch.ones_like(x, dtype=torch.bool)
    scores = network(config).eval()(x, seen)
    torch.testing.assert_close(network(config, listed).eval()(x[:, :, order], seen), scores)


@pytest.mark.parametrize("changes", [{}, *NEIGHBOURS], ids=str)
def test_masked_values_influence_nothing(changes: dict[str, Any]) -> None:
    """The features of pre-training are the same whatever lies under the mask."""
    single = dataclasses.replace(TINY, scales=("sensor",), sensor_rate=0.5)
    net = network(dataclasses.replace(single, **changes)).eval()
    seen: list[torch.Tensor] = []
    net.encoders[0].register_forward_hook(lambda _m, _i, out: seen.append(out))
    x = net.variation(batch().x)
    for junk in (0.0, 1e6):
        draws = torch.Generator().manual_seed(4)
        mask = scale_mask("sensor", x.shape, 0.5, net.patch, False, draws)
        spoilt = net.variation.restore(x + junk * mask)
        draws = torch.Generator().manual_seed(4)
        pretraining_loss(net, Batch(spoilt, torch.ones_like(x, dtype=torch.bool), draws))
    assert torch.equal(*seen)


def test_location_features_tell_places_apart() -> None:
    features = coordinate_features(PLACES)
    assert features.shape == (4, 24)
    assert torch.cdist(features, features).add(torch.eye(4)).min() > 0.1


VARIANTS = [
    {"fusion": "gated"},
    {"fusion": "concat"},
    {"correlation": "literal"},
    {"consistency": "features"},
    {"channel_mask": "pair"},
    {"adjacency": "smooth"},
    {"shared_encoder": True},
    {"lst3d": False},
    {"mstm": False},
    {"scales": ("sensor",)},
    {"scales": ("segment", "channel")},
    {"lam": 1.0},
    {"layers": 2},
    {"patch": 7},
    {"patch_seconds": 1.0},
    *NEIGHBOURS,
    {"reduction": "sum"},
    {"fill": "decoder"},
    {"segment_rate": 0.6},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_option_trains_all_stages(changes: dict[str, object]) -> None:
    method = RobustHAR(dataclasses.replace(TINY, **changes))  # type: ignore[arg-type]
    torch.manual_seed(0)
    net = method.build(SHAPE)
    stages = method.stages(Budget("test", 1, 1))
    before = ["pretrain", *(["keep"] if method.config.fill == "decoder" else [])]
    wanted = [*(before if method.config.mstm else []), "finetune"]
    assert [s.name for s in stages] == wanted
    for stage in stages:
        if isinstance(stage, FitStage):
            stage.fit(net, batch(20))
            continue
        optimizer = stage.optimizer(net.parameters())
        values = []
        for _ in range(8):
            losses = stage.loss(net, batch(20))
            loss = losses["loss"] if isinstance(losses, dict) else losses
            values.append(float(loss.detach()))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert values[-1] < values[0]
    assert method.logits(net.eval(), batch()).shape == (6, 5)


def test_every_scale_reaches_the_scores() -> None:
    net = network().eval()
    reference = net(batch().x, batch().observed)
    for encoder in net.encoders:
        with torch.no_grad():
            encoder[0].project.weight.mul_(1.5)
        changed = net(batch().x, batch().observed)
        assert not torch.allclose(changed, reference)
        reference = changed


def test_shared_encoder_makes_the_maps_identical() -> None:
    net = network(dataclasses.replace(TINY, shared_encoder=True)).eval()
    x = net.variation(batch().x)
    assert torch.equal(net.encode(0, x), net.encode(2, x))
    apart = network().eval()
    assert not torch.equal(apart.encode(0, x), apart.encode(2, x))


def test_one_sensor_cannot_be_masked_but_trains() -> None:
    shape = InputShape(20, 1, 2, 3, 10.0, ((0.0, 0.0, 0.0),))
    net = network(TINY, shape)
    assert pretraining_loss(net, batch(4, shape))["loss"].isfinite()


def test_the_sum_of_eq_5_is_the_mean_times_the_masked_elements_of_a_window() -> None:
    found = {}
    for reduction in ("mean", "sum"):
        config = dataclasses.replace(TINY, scales=("sensor",), sensor_rate=0.5, lam=1.0)
        net = network(dataclasses.replace(config, reduction=reduction)).eval()  # type: ignore[arg-type]
        draws = torch.Generator().manual_seed(5)
        given_batch = Batch(batch().x, batch().observed, draws)
        found[reduction] = float(pretraining_loss(net, given_batch)["loss"].detach())
    assert found["sum"] == pytest.approx(found["mean"] * 25 * 2 * 3, rel=1e-4)


def test_the_decoder_fills_only_what_is_missing() -> None:
    net = network(dataclasses.replace(TINY, fill="decoder")).eval()
    keep_for_filling(net, batch())
    x, seen = net.variation(batch().x), batch().observed.clone()
    seen[1, :, 2] = False
    seen[4, 3:9, 1, 0] = False
    seen = net.variation.observed(seen)
    x = x * seen
    filled = net.fill(x, seen)
    assert torch.equal(filled[seen], x[seen]) and (filled[~seen] != 0).all()
    rebuilt = torch.stack([net.decode(i, net.encode(i, x[[1, 4]])) for i in range(3)]).mean(dim=0)
    torch.testing.assert_close(filled[[1, 4]][~seen[[1, 4]]], rebuilt[~seen[[1, 4]]])
    assert torch.equal(net.fill(x[[0, 2]], seen[[0, 2]]), x[[0, 2]])


def test_filling_uses_the_encoders_that_belong_to_the_decoders() -> None:
    net = network(dataclasses.replace(TINY, fill="decoder")).eval()
    keep_for_filling(net, batch())
    x, seen = batch().x, batch().observed.clone()
    seen[:, :, 2] = False
    before = net.fill(x, seen)
    with torch.no_grad():
        for parameter in net.encoders.parameters():
            parameter.mul_(2)  # as fine-tuning does
    assert torch.equal(net.fill(x, seen), before)


def test_filling_needs_pretraining() -> None:
    with pytest.raises(HarbenchError, match="fill=decoder needs decoders that were trained"):
        build(RobustHARConfig, {"fill": "decoder", "mstm": False}, "robusthar")


def test_a_patch_longer_than_the_window_is_refused() -> None:
    with pytest.raises(HarbenchError, match="patch=26 is longer than a window of 25 steps"):
        network(dataclasses.replace(TINY, patch=26))


def test_the_paper_s_values_are_presets_of_its_datasets() -> None:
    assert RobustHAR.presets == {"czu-mhad": {"lam": 0.7}, "realworld": {"mask_rate": 0.5}}
