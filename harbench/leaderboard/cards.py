"""What a reader must know of a method and of a dataset, from their own files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import harbench
from harbench.discovery import defines, described, docstring, modules, title
from harbench.errors import HarbenchError
from harbench.leaderboard.audits import Audited
from harbench.leaderboard.board import Entry
from harbench.options import parse_spec

DIFFERENCES = "Differences from the original"
REFERENCE = Path(harbench.__file__).resolve().parent.parent / "tests" / "reference"


@dataclass(frozen=True)
class MethodCard:
    """One row of the table. configurations: each that its records have, as JSON.

    codes: first digits of the hashes of its code.
    """

    name: str
    title: str
    colour: str
    kind: str
    reference: str
    about: list[str]
    differences: list[str]
    parameters: list[int]
    configurations: list[str]
    codes: list[str]
    verified: str
    audited: Audited


@dataclass(frozen=True)
class DataCard:
    """One dataset; facts: label -> words. sensors: name and place in metres, where known."""

    name: str
    title: str
    facts: dict[str, str] = field(default_factory=dict)
    sensors: list[tuple[str, str]] = field(default_factory=list)


def method_cards(entries: Iterable[Entry], audits: Mapping[str, str]) -> list[MethodCard]:
    """A card for each row, sorted by name. audits: grade by record digest."""
    rows: dict[str, list[Entry]] = {}
    for entry in entries:
        rows.setdefault(entry.name, []).append(entry)
    return [_method_card(name, rows[name], audits) for name in sorted(rows)]


def _method_card(name: str, entries: list[Entry], audits: Mapping[str, str]) -> MethodCard:
    records = [each for entry in entries for each in entry.records]
    method = records[0][1].identity.method
    said, text = described(method), docstring(method)
    about, _, differences = text.partition(f"\n{DIFFERENCES}\n")
    configurations = {json.dumps(r.identity.config, indent=1, sort_keys=True) for _, r in records}
    return MethodCard(
        name=name,
        title=title(name),
        colour=said.colour,
        kind=said.kind,
        reference=said.reference,
        about=[" ".join(part.split()) for part in about.split("\n\n") if part.strip()],
        differences=_items(differences),
        parameters=sorted({record.cost.parameters for _, record in records}),
        configurations=sorted(configurations),
        codes=sorted({record.identity.code[:12] for _, record in records}),
        verified=_verified(method),
        audited=Audited.of(records, audits),
    )


def _items(text: str) -> list[str]:
    """The items of a list in a docstring, each on one line."""
    items: list[str] = []
    for line in text.splitlines():
        if line.startswith("- "):
            items.append(line[2:].strip())
        elif items and line.startswith("  "):
            items[-1] += " " + line.strip()
    return items


def _verified(method: str) -> str:
    """How it is known that the code does what the paper's does."""
    if defines(method, "reproduce"):
        # An installed package has no reference files; the repository has.
        found = sorted(path.name for path in REFERENCE.glob(f"{method}-*.npz"))
        files = found or [f"{method}-*.npz"]
        commands = ", ".join(f"harbench verify tests/reference/{name}" for name in files)
        return f"Outputs compared with the original implementation's: {commands}."
    if method in modules("methods"):
        return f"Conformance and leakage probes only: harbench check {method}."
    return "Not known here: the method is no part of this installation."


def data_card(entries: list[Entry]) -> DataCard:
    """The facts of the dataset that the entries share."""
    # The registry of datasets brings torch with it, which takes seconds.
    from harbench.data import store

    records = [record for entry in entries for _, record in entry.records]
    first = records[0]
    split = first.split
    facts = {
        "windows": f"{split.train + split.validation + split.test:,}",
        "fingerprint": ", ".join(sorted({r.identity.fingerprint[:16] for r in records})),
        "shared samples (leakage)": _shares(r.split.leakage for r in records),
        "adjoining windows (touching)": _shares(r.split.touching for r in records),
    }
    name = first.identity.dataset
    try:
        if parse_spec(name)[0] not in modules("datasets"):
            # A path of a file would run the file.
            return DataCard(name, name, facts)
        info = store.resolve(name)[1].info
    except HarbenchError:
        return DataCard(name, name, facts)
    channels = ", ".join(
        f"{name} ({unit})" for name, unit in zip(info.channels, info.units, strict=True)
    )
    facts |= {
        "classes": f"{len(info.classes)}: {', '.join(info.classes)}",
        "channels per sensor": channels,
        "rate": f"{info.rate:g} Hz",
        "licence": info.licence,
        "citation": info.citation,
    }
    places = [(s.name, ", ".join(f"{value:+.2f}" for value in s.position)) for s in info.sensors]
    return DataCard(name, info.title, facts, places)


def _shares(values: Iterable[float]) -> str:
    found = [100 * value for value in values]
    low, high = min(found), max(found)
    return f"{low:.0f} %" if round(low) == round(high) else f"{low:.0f} to {high:.0f} %"
