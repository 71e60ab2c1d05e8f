"""A model as an ONNX graph from raw windows to class scores, checked against ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from harbench.data.paths import writing
from harbench.errors import HarbenchError, needs, one_line
from harbench.method import Batch, FitStage, budget
from harbench.streams import torch_seed

if TYPE_CHECKING:
    from harbench.model import Model

TOLERANCE = 1e-4
CHECKED = 8
LONGEST_REASON = 200
OPSET = 18


class Graph(nn.Module):
    """Raw windows (B, T, N, C), NaN where missing, to class scores (B, K)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.method = model.method
        self.network = model.network
        self.seed = model.card.seed
        self.standardiser = model.standardiser
        self.mean = nn.Parameter(torch.from_numpy(model.standardiser.mean), requires_grad=False)
        self.std = nn.Parameter(torch.from_numpy(model.standardiser.std), requires_grad=False)

    def forward(self, windows: Tensor) -> Tensor:
        """What `Model.predict_proba` does, without the softmax."""
        observed = ~windows.isnan()
        x = torch.where(observed, (windows - self.mean) / self.std, 0.0)
        x, observed = self.standardiser.finish(x, observed)
        generator = torch.Generator().manual_seed(torch_seed(self.seed, "evaluation"))
        return self.method.logits(self.network, Batch(x, observed, generator))


def write(model: Model, path: Path) -> float:
    """Export `model`, compare it with ONNX Runtime and return the largest relative difference.

    Input "windows" (B, T, N, C), output "logits" (B, K), any number B of windows. The windows of
    the comparison are drawn, some with missing values. Raises HarbenchError where the method
    cannot be written as a graph, or where the graph gives other scores.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        needs(package, "onnx")
    name = model.method.name
    if all(isinstance(stage, FitStage) for stage in model.method.stages(budget("smoke"))):
        raise HarbenchError(
            f"Method {name!r} is no network of tensors and cannot be written as ONNX. "
            "The folder's other files are whole: use harbench.load."
        )
    if model.card.impute != "zero":
        raise HarbenchError(f"A graph knows no impute={model.card.impute}: export without it.")
    draws = np.random.default_rng(0)
    shape = (CHECKED, model.card.window, *model.standardiser.mean.shape)
    windows = draws.normal(model.standardiser.mean, model.standardiser.std, shape)
    windows[CHECKED // 2 :][draws.random((CHECKED - CHECKED // 2, *shape[1:])) < 0.1] = np.nan
    given = torch.from_numpy(windows.astype(np.float32))
    graph = Graph(model).eval()
    with writing(path) as temporary:
        try:
            _export(graph, given, temporary)
            found = _answer(temporary, given)
        except Exception as error:  # the exporter and the runtime raise kinds of their own
            reason = one_line(error.__cause__ or error)[:LONGEST_REASON]
            raise HarbenchError(
                f"Method {name!r} cannot be written as ONNX ({reason}). "
                "The folder's other files are whole: use harbench.load."
            ) from error
        with torch.no_grad():
            wanted = graph(given).numpy()
        largest = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        if not largest <= TOLERANCE:
            raise HarbenchError(
                f"Method {name!r}: ONNX Runtime's scores differ by {largest:.1e} of the largest: "
                "no graph is kept. The folder's other files are whole: use harbench.load."
            )
    return largest


def _export(graph: Graph, windows: Tensor, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (windows,),
            str(path),
            input_names=["windows"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            dynamo=True,
        )


def _answer(path: Path, windows: Tensor) -> np.ndarray:
    """ONNX Runtime's scores, of all windows at once and one by one, which must agree."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    whole = np.asarray(session.run(None, {"windows": windows.numpy()})[0])
    single = [session.run(None, {"windows": windows[i : i + 1].numpy()})[0] for i in range(2)]
    np.testing.assert_allclose(np.concatenate(single), whole[:2], rtol=1e-3, atol=1e-4)
    return whole
