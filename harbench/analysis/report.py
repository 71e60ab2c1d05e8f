"""One page with the tables, figures, cost and provenance of a results folder."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import jinja2
import pandas as pd
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from tabulate import tabulate

from harbench.analysis.figures import bars, curves
from harbench.analysis.figures.style import DPI
from harbench.analysis.pairs import Condition, blocks, common_blocks, named
from harbench.analysis.render import Style, headers, texts, web
from harbench.analysis.resampling import (
    interquartile_mean,
    interquartile_mean_interval,
    probability_of_improvement,
    probability_of_improvement_interval,
)
from harbench.analysis.table import METRICS, PaperTable, Rules, paper_table
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


def sections(
    frame: pd.DataFrame, headlines: Mapping[str, Condition], control: str
) -> Iterator[Section]:
    """Everything that the records of a folder show, budget by budget."""
    for budget in sorted(frame["budget"].unique()):
        part = frame[frame["budget"] == budget]
        plain, sweeps = part[part["variant"] == ""], part[part["variant"] != ""]
        if not plain.empty:
            yield from _plain(plain, budget, headlines, control)
        for protocol in sorted(sweeps["protocol"].unique()):
            yield from _sweep(sweeps[sweeps["protocol"] == protocol], budget, headlines[protocol])
    yield Section("Provenance", rows=_provenance(frame))


def _plain(
    frame: pd.DataFrame, budget: str, headlines: Mapping[str, Condition], control: str
) -> Iterator[Section]:
    protocols = sorted(frame["protocol"].unique(), key=lambda p: (headlines[p].rate, p))
    chosen = control if (frame["method"] == control).any() else ""
    conditions = [headlines[p] for p in protocols]
    for metric in ("accuracy", "f1_macro"):
        rules = Rules(metric=metric, control=chosen)
        table = paper_table(frame, conditions, rules)
        yield Section(f"Budget {budget}: {METRICS[metric]}", table)
    pictures: dict[str, Callable[[pd.DataFrame], Figure]] = {
        "scores against missing rate": curves.missing,
        "scores against training time": bars.cost,
        "average ranks": bars.critical_difference,
    }
    for title, draw in pictures.items():
        yield from _drawn(f"Budget {budget}: {title}", draw, frame)
    yield Section(
        f"Budget {budget}: over everything",
        rows=_robust(frame, chosen),
        notes=[
            "Interquartile mean of accuracy over (dataset, seed), conditions averaged inside a "
            "seed; 95 % stratified bootstrap intervals, 10,000 replicates, seed 0."
        ],
    )
    yield Section(f"Budget {budget}: cost", rows=_cost(frame))


def _sweep(frame: pd.DataFrame, budget: str, headline: Condition) -> Iterator[Section]:
    control = "full" if (frame["variant"] == "full").any() else ""
    title = f"Budget {budget}: {headline.protocol}"
    yield Section(title, paper_table(frame, [headline], Rules(control=control)))
    numbers = frame["variant"].str.contains(r"[\d.]+$").all()
    yield from _drawn(f"{title}, drawn", curves.sweep if numbers else bars.ablation, frame)


def _drawn(
    title: str, draw: Callable[[pd.DataFrame], Figure], frame: pd.DataFrame
) -> Iterator[Section]:
    """The figure, or why there is none."""
    try:
        yield Section(title, figure=draw(frame))
    except HarbenchError as error:
        yield Section(title, notes=[f"Not drawn: {error}"])


def _robust(frame: pd.DataFrame, control: str) -> list[list[str]]:
    """Interquartile mean and its interval, and how often the control is ahead."""
    data = named(frame)
    rows = [["method", "interquartile mean", "interval"]]
    if control:
        rows[0] += [f"P({control} > row)", "interval"]
    for name in data["name"].unique():
        mine = list(blocks(data, name, "accuracy").values())
        low, high = interquartile_mean_interval(mine)
        rows.append([name, f"{interquartile_mean(mine):.2f}", f"{low:.2f} to {high:.2f}"])
        pair = common_blocks(data, control, name, "accuracy") if control else ([], [])
        if control and name != control and pair[0]:
            low, high = probability_of_improvement_interval(*pair)
            ahead = f"{probability_of_improvement(*pair):.2f}"
            rows[-1] += [ahead, f"{low:.2f} to {high:.2f}"]
        elif control:
            rows[-1] += ["", ""]
    return rows


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
