"""Which sensors can be lost, on the page: the maps of the probes that lie beside the records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harbench.analysis.figures.sensors import sensor_map
from harbench.analysis.pairs import METRICS
from harbench.analysis.sensors import SensorScores, value_rows
from harbench.analysis.sheet import Lane, Piece, Sheet
from harbench.analysis.web import element
from harbench.discovery import title
from harbench.errors import HarbenchError
from harbench.leaderboard.drawings import Drawing, svg_of
from harbench.running.probe_records import SensorProbe, read_probe

# Beyond the numbers of the other figures of a page.
FIRST = 1001
METRIC = "f1_macro"


def sensor_maps(root: Path, rows: set[tuple[str, str, str]] | None = None) -> Iterator[Drawing]:
    """A map and, as its text, a table of each probe under root/probes; words for a damaged one.

    rows: dataset, budget and row of the probes that are shown; None for all.
    """
    for number, path in enumerate(sorted(root.glob("probes/*/*/*/*/sensors.json")), FIRST):
        dataset, protocol, budget, label = path.relative_to(root).parts[1:5]
        if rows is not None and (dataset, budget, label) not in rows:
            continue
        facts = f"{title(label)}: {dataset}; {protocol}; {budget}"
        try:
            probe = read_probe(path)
        except HarbenchError as error:
            yield Drawing(f"Sensors of {facts}", words=f"Not drawn: {error}")
            continue
        scores = as_scores(probe, label, METRIC)
        seeds = ", ".join(str(run.identity.seed) for run in probe.runs)
        caption = (
            f"Which sensors can be lost. {facts}; seeds {seeds}. Left: what each sensor is worth, "
            f"points of {METRICS[METRIC]} (Shapley value, ± its standard error over seeds). "
            "Middle: scores by the number of sensors lost; higher is better. Right: points of F1 "
            "that an activity loses without a sensor. The values as a table follow"
        )
        yield Drawing(caption, number, svg=svg_of(sensor_map([scores], METRIC), number))
        yield Drawing(f"What each sensor is worth. {facts}", table=_table(scores))


def _table(scores: SensorScores) -> str:
    """The values as HTML, the most valuable sensor first."""
    head, *rows = value_rows(scores)
    lanes = [Lane(name, [Piece(row[i]) for row in rows]) for i, name in enumerate(head) if i]
    words = f"{title(scores.method)}, {METRICS[METRIC]} in %"
    return element(Sheet(head[0], [row[0] for row in rows], lanes, words))


def as_scores(probe: SensorProbe, label: str, metric: str) -> SensorScores:
    """What the analysis needs of a probe, in %."""

    def numbers(values: object) -> np.ndarray:
        return 100 * np.array(values, dtype=np.float64)

    kept = np.zeros((len(probe.sets), len(probe.sensors)), dtype=bool)
    for row, members in enumerate(probe.sets):
        kept[row, members] = True
    one_split = len(probe.runs) > 1 and len({run.split for run in probe.runs}) == 1
    return SensorScores(
        method=label,
        dataset=probe.runs[0].identity.dataset,
        sensors=tuple(sensor.name for sensor in probe.sensors),
        positions=tuple((s.position[0], s.position[1], s.position[2]) for s in probe.sensors),
        classes=tuple(probe.classes),
        kept=kept,
        scores=numbers([[getattr(s, metric) for s in run.kept] for run in probe.runs]),
        none=numbers([getattr(run.none, metric) for run in probe.runs]),
        per_class=numbers([[s.f1_per_class for s in run.kept] for run in probe.runs]),
        orders=tuple(tuple(order) for order in probe.orders),
        ratio=0.0 if one_split else float(np.mean([run.test / run.train for run in probe.runs])),
    )
