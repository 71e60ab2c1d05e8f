"""Every reference file that a method can reproduce, and what `harbench verify` says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from end_to_end.commands import Cli
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.errors import HarbenchError
from harbench.nn.geometric_mask import flattened_mask
from harbench.testing.reference import run_statistics, supervised_outputs, verify

FOLDER = Path(__file__).parent
FILES = sorted(f for f in FOLDER.glob("*.npz") if f.stem != "simmtm-geometric-mask")


def altered(
    tmp_path: Path, stem: str, change: Callable[[dict[str, Any], dict[str, Any]], None]
) -> Path:
    """A copy of a reference file with its config and arrays changed in place."""
    with np.load(FOLDER / f"{stem}.npz") as file:
        arrays: dict[str, Any] = dict(file)
    config = json.loads(str(arrays["config"]))
    change(config, arrays)
    path = tmp_path / f"{stem}.npz"
    np.savez(path, **{**arrays, "config": np.array(json.dumps(config))})
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_output_is_reproduced(path: Path) -> None:
    comparisons = verify(path)
    assert comparisons
    for each in comparisons:
        assert each.deviation is not None, f"{each.output} is not compared"
        assert each.agrees, f"{each.output} deviates by {each.deviation}"


def test_masks_are_compared_by_their_statistics(tmp_path: Path) -> None:
    """The mask itself is random; another run length is beyond sampling error."""
    stem = "simmtm-geometric-mask"
    found = {c.output: c for c in verify(FOLDER / f"{stem}.npz")}
    assert found["mask"].deviation is None
    assert found["stats"].sampled and found["stats"].agrees
    longer = altered(tmp_path, stem, lambda config, _: config["rows"][0].__setitem__(0, 4))
    assert not {c.output: c for c in verify(longer)}["stats"].agrees


def test_the_line_of_the_released_code_has_the_same_statistics() -> None:
    """`mask_order="flattened"`: the chain is drawn run by run, over one long line."""
    with np.load(FOLDER / "simmtm-geometric-mask.npz") as file:
        config, recorded = json.loads(str(file["config"])), file["output/stats"]
    draws = torch.Generator().manual_seed(0)
    for (run, rate), (share, mean_run) in zip(config["rows"], recorded, strict=True):
        line = flattened_mask(50 * config["L"], rate, run, draws)[None]
        assert run_statistics(line)[0].tolist() == [
            pytest.approx(share, abs=0.04),
            pytest.approx(mean_run, rel=0.1),
        ]


def test_verify_reports_what_differs(cli: Cli, tmp_path: Path) -> None:
    assert cli("verify", FOLDER / "timesnet-tslib.npz").code == 0
    with np.load(FOLDER / "timesnet-tslib.npz") as file:
        arrays = dict(file)
    arrays["output/logits"] = arrays["output/logits"] + 1e-3
    np.savez(tmp_path / "changed.npz", **arrays)
    answer = cli("verify", tmp_path / "changed.npz")
    assert answer.code == 1 and "differs" in answer.out


def test_what_is_no_reference_file_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(HarbenchError, match="is not a reference file"):
        verify(path)
    path.write_bytes(b"junk")
    answer = cli("verify", path)
    assert answer.code == 2 and "is not a reference file" in answer.err


def test_a_file_named_inside_is_not_executed(cli: Cli, tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    path = altered(tmp_path, "timesnet-tslib", lambda config, _: config.update(method=str(evil)))
    answer = cli("verify", path)
    assert answer.code == 2 and "Unknown method" in answer.err
    assert not (tmp_path / "executed").exists()


@settings(max_examples=80)
@given(position=st.integers(0), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_file_is_refused_in_words_or_read(
    position: int, byte: int, cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray((FOLDER / "robusthar-cross-attention-module.npz").read_bytes())
    position %= len(content)
    content[position] ^= byte
    path = tmp_path_factory.mktemp("damaged") / "file.npz"
    path.write_bytes(content[:position] if cut else content)
    try:
        verify(path)
    except HarbenchError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda config, _: config.pop("d_model"),
        lambda config, _: config.update(d_model=20),
        lambda config, _: config.update(d_model="16"),
        lambda _, arrays: arrays.pop("input/x"),
        lambda _, arrays: arrays.pop("param/layer_norm.weight"),
    ],
    ids=["no size", "another size", "size as text", "no input", "no weight"],
)
def test_parts_that_do_not_belong_together_are_named(
    cli: Cli, tmp_path: Path, change: Callable[[Any, Any], None]
) -> None:
    """The other files' rows are still printed."""
    path = altered(tmp_path, "timesnet-tslib", change)
    answer = cli("verify", path, FOLDER / "informer-authors.npz")
    assert answer.code == 2 and "informer-authors.npz" in answer.out
    assert "timesnet-tslib.npz: timesnet cannot be built" in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_episodes_of_cross_attention_are_separate(tmp_path: Path) -> None:
    def double(_: dict[str, Any], arrays: dict[str, Any]) -> None:
        for key in ("input/f1", "input/f2", "output/f1", "output/f2"):
            swapped = arrays[key][:, ::-1]
            if key.startswith("output"):
                swapped = swapped[:, :, ::-1]
            arrays[key] = np.concatenate([arrays[key], swapped])

    comparisons = verify(altered(tmp_path, "robusthar-cross-attention-module", double))
    assert [c.output for c in comparisons if c.agrees and c.deviation is not None] == ["f1", "f2"]


def test_draws_are_taken_by_number() -> None:
    """The tenth draw comes after the second."""
    recorded = {f"random/{k}": torch.tensor(k) for k in range(12)}
    recorded |= {"input/x": torch.zeros(1, 2, 3), "input/cotangent": torch.zeros(1, 2)}
    seen: list[int] = []
    network = torch.nn.Linear(3, 2)

    def call(x: torch.Tensor, draws: list[torch.Tensor]) -> torch.Tensor:
        seen.extend(int(d) for d in draws)
        logits: torch.Tensor = network(x[:, 0, :, 0])
        return logits

    supervised_outputs(network, recorded, (), call)
    assert seen[:12] == list(range(12))
