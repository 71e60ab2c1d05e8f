"""Every reference file that a method can reproduce, and what `harbench verify` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from end_to_end.commands import Cli

from harbench.errors import HarbenchError
from harbench.nn.geometric_mask import flattened_mask, geometric_mask
from harbench.testing.reference import verify

FOLDER = Path(__file__).parent
FILES = sorted(f for f in FOLDER.glob("*.npz") if f.stem != "simmtm-geometric-mask")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_output_is_reproduced(path: Path) -> None:
    comparisons = verify(path)
    assert comparisons
    for each in comparisons:
        assert each.deviation is not None, f"{each.output} is not compared"
        assert each.agrees, f"{each.output} deviates by {each.deviation}"


def test_geometric_masks_have_the_recorded_statistics() -> None:
    """Share and mean run length of masked values: chains are random, so within sampling error."""
    with np.load(FOLDER / "simmtm-geometric-mask.npz") as file:
        config, recorded = json.loads(str(file["config"])), file["output/stats"]
    for (run, rate), (share, mean_run) in zip(config["rows"], recorded, strict=True):
        draws = torch.Generator().manual_seed(0)
        for masked in (
            geometric_mask(50, config["L"], rate, run, draws),
            flattened_mask(50 * config["L"], rate, run, draws)[None],
        ):
            starts = (masked[:, 1:] & ~masked[:, :-1]).sum() + masked[:, 0].sum()
            assert float(masked.float().mean()) == pytest.approx(share, abs=0.04)
            assert float(masked.sum() / starts) == pytest.approx(mean_run, rel=0.1)


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
