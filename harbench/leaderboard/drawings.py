"""Figures as SVG inside the page: text stays text, and no two share an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from harbench.analysis.figures import bars, curves
from harbench.analysis.figures.style import encoded
from harbench.analysis.pairs import METRICS, trainings
from harbench.analysis.robustness import curve_scales, summary_table
from harbench.analysis.sheet import sheet_of
from harbench.analysis.table import Rules
from harbench.analysis.web import element
from harbench.errors import HarbenchError

Draw = Callable[[pd.DataFrame, str], Figure]
MISSING, COST = "missing rate, with 95 % intervals", "training time, means"


@dataclass(frozen=True)
class Drawing:
    """A figure (svg, its ids begin with f<number>), a table (html), or words: why there is none."""

    caption: str
    number: int = 0
    svg: str = ""
    table: str = ""
    words: str = ""


def drawings(
    frames: Iterable[pd.DataFrame], rules_of: Callable[[str], Rules], control: str
) -> Iterator[Drawing]:
    """Scores against missing rate and against cost, of each dataset and of what trains alike.

    rules_of: how a protocol compares. Of several that train alike the first one decides.
    """
    whole = pd.concat(frames, ignore_index=True)
    number = 0
    for (budget, dataset), part in whole.groupby(["budget", "dataset"], sort=True):
        plain = part[part["variant"] == ""]
        for _, alike in plain.groupby(trainings(plain), sort=True):
            # Rows of one protocol have its conditions; the others' would be left out for all.
            costs = [costs for _, costs in alike.groupby("protocol", sort=True)]
            pictures = [(MISSING, curves.missing, alike), *((COST, bars.cost, c) for c in costs)]
            for what, draw, drawn in pictures:
                number += 1
                rules = rules_of(str(drawn["protocol"].min()))
                words = f"{METRICS[rules.metric]} against {what}; higher is better. {_facts(drawn)}"
                yield _drawn(words, draw, drawn, rules.metric, number)
            rules = rules_of(str(alike["protocol"].min()))
            yield from _summed(alike, rules, control, _facts(alike))
        for protocol, sweep in part[part["variant"] != ""].groupby("protocol", sort=True):
            number += 1
            rules = rules_of(str(protocol))
            numbers = sweep["variant"].str.contains(r"[\d.]+$").all()
            swept: Draw = curves.sweep if numbers else bars.ablation
            words = f"{METRICS[rules.metric]} of the variants of {protocol}: {dataset}; {budget}"
            yield _drawn(words, swept, sweep, rules.metric, number)


def _facts(frame: pd.DataFrame) -> str:
    """What records are of: one dataset and budget, protocols that train alike."""
    first, protocols = frame.iloc[0], ", ".join(sorted(frame["protocol"].unique()))
    return f"{first['dataset']}; {protocols}; split by {first['split_kind']}; {first['budget']}"


def _drawn(caption: str, draw: Draw, frame: pd.DataFrame, metric: str, number: int) -> Drawing:
    """The figure, or why there is none."""
    try:
        return Drawing(caption, number, svg=svg_of(draw(frame, metric), number))
    except HarbenchError as error:
        return Drawing(caption, words=f"Not drawn: {error}")


def svg_of(figure: Figure, number: int) -> str:
    """A figure as an element of the page."""
    with mpl.rc_context({"svg.fonttype": "none"}):
        return inline(encoded(figure, ".svg").decode(), f"f{number}")


def _summed(frame: pd.DataFrame, rules: Rules, control: str, facts: str) -> Iterator[Drawing]:
    """The summary numbers of each scale that has a curve."""
    there = control if (frame["name"] == control).any() else ""
    own = Rules(rules.metric, there, rules.test, rules.alpha, rules.family, rules.rows)
    for scale in curve_scales(frame):
        try:
            table = element(sheet_of(summary_table(frame, [scale], own)))
        except HarbenchError as error:
            yield Drawing(f"Losses at scale {scale}: {facts}", words=f"Not summarised: {error}")
        else:
            yield Drawing(f"Losses at scale {scale}: {facts}", table=table)


def inline(svg: str, prefix: str) -> str:
    """The element of an SVG file, its ids made unique and its styles its own.

    The caption names the picture, so it has no name of its own.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}-", svg)
    look = 'role="img" class="figure" style="stroke-linejoin:round;stroke-linecap:butt"'
    return svg.replace("<svg ", f'<svg {look} aria-labelledby="{prefix}-caption" ', 1)
