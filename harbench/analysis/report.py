"""One page with the tables, figures, cost and provenance of a results folder."""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import jinja2
import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from tabulate import tabulate

from harbench.analysis.figures import bars, curves
from harbench.analysis.figures.style import DPI
from harbench.analysis.pairs import (
    METRICS,
    Condition,
    blocks,
    common_blocks,
    named,
    split_ratio,
    trainings,
)
from harbench.analysis.render import Style, headers, texts, web
from harbench.analysis.resampling import (
    interquartile_mean,
    interquartile_mean_interval,
    seeds_ahead,
)
from harbench.analysis.robustness import curve_scales, summary_table
from harbench.analysis.statistics import corrected_t, resolution
from harbench.analysis.table import PaperTable, Rules, paper_table
from harbench.errors import HarbenchError

PAGE = (11.7, 8.3)
CHARACTERS = 150


@dataclass
class Section:
    """A heading with a paper table, plain rows (the first is the header) or a figure."""

    title: str
    table: PaperTable | None = None
    rows: list[list[str]] = field(default_factory=list)
    figure: Figure | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def table_html(self) -> str:
        """The paper table as HTML, its notes below it."""
        return "" if self.table is None else web(self.table)

    @property
    def figure_data(self) -> str:
        """The figure as PNG, in base64."""
        buffer = io.BytesIO()
        assert self.figure is not None
        self.figure.savefig(buffer, dpi=DPI, metadata={"Software": "harbench"})
        return base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True)
class Statement:
    """What a protocol claims: its headline condition, and how it compares."""

    condition: Condition
    rules: Rules


def sections(
    frame: pd.DataFrame, statements: Mapping[str, Statement], control: str
) -> Iterator[Section]:
    """Everything that the records of a folder show, apart by budget and by what trains alike.

    statements: by protocol. control: the row that others are compared with, where it is there.
    """
    for budget in sorted(frame["budget"].unique()):
        part = frame[frame["budget"] == budget]
        plain, sweeps = part[part["variant"] == ""], part[part["variant"] != ""]
        for _, alike in plain.groupby(trainings(plain), sort=True):
            yield from _plain(alike, budget, statements, control)
        for protocol in sorted(sweeps["protocol"].unique()):
            yield from _sweep(sweeps[sweeps["protocol"] == protocol], budget, statements[protocol])
    yield Section("Provenance", rows=_provenance(frame))


def _plain(
    frame: pd.DataFrame, budget: str, statements: Mapping[str, Statement], control: str
) -> Iterator[Section]:
    found = {str(p): statements[str(p)] for p in frame["protocol"].unique()}
    protocols = sorted(found, key=lambda p: (found[p].condition.rate, p))
    chosen = control if (frame["method"] == control).any() else ""
    conditions = [found[p].condition for p in protocols]
    rules = replace(found[protocols[0]].rules, control=chosen)
    title = f"Budget {budget}, {', '.join(protocols)}"
    yield Section(f"{title}: {METRICS[rules.metric]}", paper_table(frame, conditions, rules))
    for scale in curve_scales(frame):
        summed = summary_table(frame, [scale], rules)
        yield Section(f"{title}: summary of the losses at scale {scale}", summed)
    pictures: dict[str, Callable[[pd.DataFrame, str], Figure]] = {
        "scores against missing rate": curves.missing,
        "scores against training time": bars.cost,
        "average ranks": bars.critical_difference,
    }
    for name, draw in pictures.items():
        yield from _drawn(f"{title}: {name}", draw, frame, rules.metric)
    yield Section(
        f"{title}: datasets together",
        rows=_robust(frame, chosen, rules.metric),
        notes=[
            f"{METRICS[rules.metric]}, conditions averaged inside a seed, clean windows once. "
            "Intervals of the mean: corrected t, 95 %; of the interquartile mean: stratified "
            "bootstrap, from ten (dataset, seed) blocks on."
        ],
    )
    yield Section(f"{title}: cost", rows=_cost(frame))


def _sweep(frame: pd.DataFrame, budget: str, statement: Statement) -> Iterator[Section]:
    control = "full" if (frame["variant"] == "full").any() else ""
    rules = replace(statement.rules, control=control, rows=None)
    title = f"Budget {budget}: {statement.condition.protocol}"
    yield Section(title, paper_table(frame, [statement.condition], rules))
    numbers = frame["variant"].str.contains(r"[\d.]+$").all()
    draw = curves.sweep if numbers else bars.ablation
    yield from _drawn(f"{title}, drawn", draw, frame, rules.metric)


def _drawn(
    title: str,
    draw: Callable[[pd.DataFrame, str], Figure],
    frame: pd.DataFrame,
    metric: str,
) -> Iterator[Section]:
    """The figure, or why there is none."""
    try:
        yield Section(title, figure=draw(frame, metric))
    except HarbenchError as error:
        yield Section(title, notes=[f"Not drawn: {error}"])


def _robust(frame: pd.DataFrame, control: str, metric: str) -> list[list[str]]:
    """Mean over datasets and interquartile mean, and how often the control is ahead."""
    data = named(frame)
    rows = [["method", "mean", "interval", "interquartile mean", "interval"]]
    if control:
        rows[0] += [f"seed pairs with {control} ahead"]
    for name in data["name"].unique():
        part = data[data["name"] == name]
        mine = blocks(data, name, metric)
        own = [part[part["dataset"] == dataset] for dataset in mine]
        floors = [resolution(float(p["n"].mean())) for p in own]
        scores = list(mine.values())
        found = corrected_t(scores, [split_ratio(p) for p in own], "", floors)
        rows.append([name, f"{found.effect:.2f}", _interval(found.low, found.high)])
        middle = f"{interquartile_mean(scores):.2f}"
        rows[-1] += [middle, _interval(*interquartile_mean_interval(scores))]
        pair = common_blocks(data, control, name, metric) if control else ([], [])
        if control:
            ahead, total = seeds_ahead(*pair)
            rows[-1] += [f"{ahead:g} of {total}" if total and name != control else ""]
    return rows


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.2f} to {high:.2f}"


def _cost(frame: pd.DataFrame) -> list[list[str]]:
    runs = named(frame).drop_duplicates(["name", "dataset", "protocol", "seed"])
    rows = [["method", "parameters", "training s", "windows / s", "peak memory MiB", "device"]]
    for name, part in runs.groupby("name"):
        rows.append(
            [
                str(name),
                f"{part['parameters'].max():,}",
                f"{part['train_seconds'].mean():,.0f}",
                f"{part['windows_per_second'].mean():,.0f}",
                f"{part['peak_memory'].max() / 2**20:,.0f}",
                ", ".join(sorted(part["device"].unique())),
            ]
        )
    return rows


def _provenance(frame: pd.DataFrame) -> list[list[str]]:
    keys = ["commit", "dirty", "harbench", "packages", "platform", "device"]
    runs = frame.drop_duplicates("path")
    rows = [["commit", "local changes", "harbench", "packages", "platform", "device", "records"]]
    for values, part in runs.groupby(keys, dropna=False):
        rows.append([*(str(value) for value in values), str(len(part))])
    return rows


def page(title: str, parts: list[Section]) -> str:
    """One HTML page that needs no other file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harbench.analysis"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text: str = environment.get_template("report.html.jinja").render(title=title, sections=parts)
    return text


def pdf(title: str, parts: list[Section]) -> bytes:
    """The same as a PDF, a page for each section."""
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"Title": title, "CreationDate": None}) as pages:
        for part in parts:
            if part.figure is not None:
                part.figure.suptitle(part.title, fontsize=9)
                pages.savefig(part.figure)
                continue
            sheet = Figure(figsize=PAGE)
            sheet.text(0.03, 0.97, _as_text(part), va="top", family="monospace", fontsize=6.5)
            pages.savefig(sheet)
    return buffer.getvalue()


def _as_text(part: Section) -> str:
    lines, notes = [part.title, ""], list(part.notes)
    if part.table is not None:
        body = texts(part.table, Style(str, "{} (1)", "{} (2)"))
        lines.append(tabulate(body, headers(part.table), disable_numparse=True))
        notes += part.table.notes
    if part.rows:
        width = CHARACTERS // len(part.rows[0]) + 10
        head, *body = [[textwrap.fill(cell, width) for cell in row] for row in part.rows]
        lines.append(tabulate(body, head, disable_numparse=True))
    return "\n".join([*lines, "", *(textwrap.fill(note, CHARACTERS) for note in notes)])
