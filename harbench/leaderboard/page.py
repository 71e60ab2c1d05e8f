"""The page: one HTML file that needs no other, no server and no network."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harbench import __version__
from harbench.analysis.pairs import METRICS
from harbench.analysis.table import Rules
from harbench.discovery import described, title
from harbench.errors import needs
from harbench.leaderboard import findings
from harbench.leaderboard.board import Board, Entry, Line
from harbench.leaderboard.cards import DataCard, data_card, method_cards
from harbench.leaderboard.drawings import Drawing, drawings
from harbench.leaderboard.ranking import RULE
from harbench.running.predictions import repeating

SCRIPTS = ("sortable.min.js", "page.js")


@dataclass(frozen=True)
class Shown:
    """How the page is made. link: from a record's path to where the page finds it.

    audits: grade by record digest. control: the row that findings always speak of. maps: of
    sensors, after the other figures.
    """

    heading: str
    control: str
    link: Callable[[Path], str]
    audits: Mapping[str, str]
    rules: Rules
    maps: Sequence[Drawing] = ()


def page(board: Board, shown: Shown) -> str:
    """The HTML of a board."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("harbench.leaderboard"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "points": points,
        "interval": interval,
        "seconds": duration,
        "twice": twice,
        "code": code,
    }
    environment.globals |= {"title": title, "colour": lambda name: described(name).colour}
    script = "\n".join(_text(name) for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = list(_data_cards(board.entries))
    cards = method_cards(board.entries, shown.audits)

    def rules_of(protocol: str) -> Rules:
        return board.statements[protocol].rules

    text: str = environment.get_template("page.html.jinja").render(
        board=board,
        shown=shown,
        version=__version__,
        # Our own files, and figures that carry no text of a record unescaped.
        script=Markup(script),
        script_digest=digest,
        style=Markup(_text("page.css")),
        drawings=[
            *(drawings(board.frames.values(), rules_of, shown.control) if board.frames else ()),
            *shown.maps,
        ],
        safe=Markup,
        findings=findings,
        rule=RULE,
        metrics=METRICS,
        conditions=list(dict.fromkeys(line.condition for line in board.lines)),
        lowest=_lowest(board.lines),
        cards=cards,
        audited={card.name: card.audited for card in cards},
        anchors={card.name: f"method-{i}" for i, card in enumerate(cards, 1)},
        data=data,
        places={card.name: f"data-{i}" for i, card in enumerate(data, 1)},
        command=command,
        records=sum(len(entry.records) for entry in board.entries),
    )
    return text


def pdf(html: str) -> bytes:
    """The page printed, by weasyprint (`harbench[pdf]`)."""
    needs("weasyprint", "pdf")
    import weasyprint

    return bytes(weasyprint.HTML(string=html).write_pdf())


def command(entry: Entry) -> str:
    """The command that repeats all records of an entry."""
    seeds = ",".join(str(record.identity.seed) for _, record in entry.records)
    return repeating(*entry.records[0], seeds)


def points(value: float) -> str:
    """A score in %; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:.2f}"


def interval(low: float, high: float) -> str:
    """An interval; a dash where one seed gives none."""
    return "-" if math.isnan(low) else f"{low:.1f} to {high:.1f}"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def twice(names: Iterable[str]) -> list[tuple[str, str]]:
    """Choices whose words are their values."""
    return [(name, name) for name in names]


def code(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    marked = [Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in enumerate(parts)]
    return Markup("").join(marked)


def _text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _lowest(lines: Iterable[Line]) -> float:
    """Where the little intervals begin: tens below the lowest of them, from 0 to 90."""
    lows = [line.standing.mean if math.isnan(line.standing.low) else line.standing.low
            for line in lines]  # fmt: skip
    return float(min(90, max(0, 10 * math.floor(min(lows, default=0) / 10))))


def _data_cards(entries: Iterable[Entry]) -> Iterator[DataCard]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.dataset, []).append(entry)
    return map(data_card, groups.values())
