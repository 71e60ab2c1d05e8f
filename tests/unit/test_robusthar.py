"""RobustHAR's parts against the equations they implement."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from harbench.methods.robusthar import (
    RobustHAR,
    RobustHARConfig,
    RobustHARNet,
    draw_mask,
    pretraining_loss,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.errors import HarbenchError
from harbench.method import Batch, Budget, InputShape, LabelledBatch
from harbench.nn.body import body_order, coordinate_features, distance_matrix_mix
from harbench.nn.patches import default_patch

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
    ("steps", "rate", "patch"),
    [(125, 25, 25), (128, 50, 32), (60, 30, 15), (150, 50, 25), (128, 18, 16), (97, 20, 15)],
)
def test_default_patch_is_half_a_second_to_a_second(steps: int, rate: float, patch: int) -> None:
    assert default_patch(steps, rate) == patch
    assert 1 <= patch <= steps and -(-steps // patch) <= 32


@settings(max_examples=20, deadline=None)
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


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize(
    ("scale", "kind", "axis_total"),
    [
        ("sensor", "index", 4),
        ("segment", "index", 5),
        ("channel", "index", 3),
        ("channel", "pair", 12),
    ],
)
def test_masks_have_the_counts_of_eq_2(scale: str, kind: str, axis_total: int, rate: float) -> None:
    config = dataclasses.replace(TINY, mask_rate=rate, channel_mask=kind)  # type: ignore[arg-type]
    shape = torch.Size((50, 25, 4, 3))
    draws = torch.Generator().manual_seed(0)
    mask = draw_mask(scale, shape, 5, config, draws)  # type: ignore[arg-type]
    count = min(max(round(rate * axis_total), 1), axis_total - 1)
    assert torch.equal(
        mask.flatten(1).sum(1), torch.full((50,), count * (5 if scale == "segment" else 1))
    )
    assert mask.expand(shape).float().mean() == pytest.approx(count / axis_total)
    again = draw_mask(scale, shape, 5, config, draws)  # type: ignore[arg-type]
    assert not torch.equal(mask, again), "masks are drawn afresh"


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
    sensors = net.order.repeat(out.shape[1] // 4)
    place[sensors == 1, :, 2] = 1
    return place.flatten(1)


def test_padding_is_cropped_and_never_a_target() -> None:
    net = network(dataclasses.replace(TINY, patch=10))
    assert net.padding == 5
    arranged = net.arrange(batch().x)
    assert arranged.shape == (6, 30, 4, 3) and (arranged[:, 25:] == 0).all()
    assert (net.arrange(torch.ones(1, 25, 4, 3))[:, 25:] == 0).all()
    assert pretraining_loss(net, batch())["loss"].isfinite()


def test_arranging_permutes_sensors_along_the_body() -> None:
    net = network()
    x = batch().x
    assert torch.equal(net.arrange(x), x[:, :, body_order(PLACES)])


def test_smooth_adjacency_mixes_neighbours() -> None:
    mix = distance_matrix_mix(PLACES, 0.3)
    assert mix.sum(axis=1) == pytest.approx(1) and mix[0, 0] > mix[0, 1] > 0
    net = network(dataclasses.replace(TINY, adjacency="smooth"))
    assert not torch.equal(net.arrange(batch().x), network().arrange(batch().x))


def test_without_lst3d_there_is_no_location_and_a_seeded_random_order() -> None:
    plain = dataclasses.replace(TINY, lst3d=False)
    net = network(plain)
    assert net.encoders[0][0].place is None
    assert torch.equal(net.order, network(plain).order)
    assert network().encoders[0][0].place is not None


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
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_option_trains_all_stages(changes: dict[str, object]) -> None:
    method = RobustHAR(dataclasses.replace(TINY, **changes))  # type: ignore[arg-type]
    torch.manual_seed(0)
    net = method.build(SHAPE)
    stages = method.stages(Budget("test", 1, 1))
    assert [s.name for s in stages] == (["pretrain"] if method.config.mstm else []) + ["finetune"]
    for stage in stages:
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
    reference = net(batch().x)
    for encoder in net.encoders:
        with torch.no_grad():
            encoder[0].project.weight.mul_(1.5)
        changed = net(batch().x)
        assert not torch.allclose(changed, reference)
        reference = changed


def test_shared_encoder_makes_the_maps_identical() -> None:
    net = network(dataclasses.replace(TINY, shared_encoder=True)).eval()
    x = net.arrange(batch().x)
    assert torch.equal(net.encode(0, x), net.encode(2, x))
    apart = network().eval()
    assert not torch.equal(apart.encode(0, x), apart.encode(2, x))


def test_one_sensor_cannot_be_masked_but_trains() -> None:
    shape = InputShape(20, 1, 2, 3, 10.0, ((0.0, 0.0, 0.0),))
    net = network(TINY, shape)
    assert pretraining_loss(net, batch(4, shape))["loss"].isfinite()


def test_a_patch_longer_than_the_window_is_refused() -> None:
    with pytest.raises(HarbenchError, match="patch=26 is longer than a window of 25 steps"):
        network(dataclasses.replace(TINY, patch=26))


def test_the_paper_s_values_are_presets_of_its_datasets() -> None:
    assert RobustHAR.presets == {"czu-mhad": {"lam": 0.7}, "realworld": {"mask_rate": 0.5}}
