"""The page: its structure, what it claims, and what it lets through."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import html5lib
import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import Cli
from hypothesis import given
from hypothesis import strategies as st
from unit.boards import grid, written
from unit.frames import CLEAN, records

from harbench.analysis.pairs import Condition
from harbench.analysis.table import Rules
from harbench.cli.report import board_of, page_of
from harbench.leaderboard import findings
from harbench.leaderboard.audits import Audited
from harbench.leaderboard.board import seeds_wanted
from harbench.leaderboard.cards import method_cards
from harbench.leaderboard.drawings import drawings, inline
from harbench.leaderboard.maps import sensor_maps
from harbench.leaderboard.page import code, duration
from harbench.leaderboard.ranking import standings
from harbench.running.store import ResultStore

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = files("harbench.leaderboard") / "templates"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the committed records, beside copies of them."""
    folder = tmp_path_factory.mktemp("site")
    root = ROOT / "results"
    found = ResultStore(root).read().records
    text = page_of(
        found, "robusthar", None, lambda p: f"records/{p.relative_to(root)}", probes=root
    )
    (folder / "index.html").write_text(text)
    shutil.copytree(root, folder / "records")
    return folder


@pytest.fixture(scope="module")
def tree(site: Path) -> ElementTree.Element:
    text = (site / "index.html").read_text()
    return html5lib.HTMLParser(strict=False, namespaceHTMLElements=False).parse(text)


def test_ids_are_unique_and_links_lead_somewhere(tree: ElementTree.Element, site: Path) -> None:
    ids = [node.get("id", "") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    text = (site / "index.html").read_text()
    named = re.findall(r"url\(#([^)]+)\)", text)
    for node in tree.iter():
        named += (node.get("aria-labelledby") or "").split()
        for link in (node.get("href"), node.get("{http://www.w3.org/1999/xlink}href")):
            if link and link.startswith("#"):
                named.append(link[1:])
            elif link and not link.startswith("data:"):
                assert (site / unquote(link)).is_file(), link
    assert set(named) <= set(ids), set(named) - set(ids)
    assert not tree.findall(".//img") and not tree.findall(".//iframe")


def test_a_screen_reader_is_told_what_is_what(tree: ElementTree.Element) -> None:
    for table in tree.iter("table"):
        assert table.find("caption") is not None
        assert all(th.get("scope") in ("row", "col", "colgroup") for th in table.iter("th"))
    labelled = {label.get("for") for label in tree.iter("label")}
    for kind in ("select", "input"):
        assert {node.get("id") for node in tree.iter(kind)} <= labelled
    first = tree.find("body")
    assert first is not None and first[0].get("href") == "#main"
    html = tree if tree.tag == "html" else tree.find("html")
    assert html is not None and html.get("lang") == "en"
    assert [n.tag for n in tree.iter() if n.tag == "h1"] == ["h1"]
    pictures = [n for n in tree.iter() if str(n.tag).endswith("svg")]
    assert pictures and all(p.get("aria-hidden") or p.get("aria-labelledby") for p in pictures)


def luminance(colour: str) -> float:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_text_stands_out_in_light_and_dark() -> None:
    schemes = re.findall(r":root \{([^}]*)\}", (TEMPLATES / "page.css").read_text())
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for front in ("front", "quiet", "link"):
            for back in ("back", "soft"):
                pair = sorted((luminance(colours[front]), luminance(colours[back])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (front, back)


def test_the_script_is_one_that_a_browser_can_read(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        playwright = pytest.importorskip("playwright", reason="no node to read the script")
        node = str(Path(playwright.__file__).parent / "driver" / "node")
    for name in ("sortable.min.js", "page.js"):
        copy = tmp_path / name
        copy.write_text((TEMPLATES / name).read_text())
        subprocess.run([node, "--check", copy], check=True, capture_output=True)


def test_what_a_record_says_is_text_on_the_page(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    for seed in range(5):
        written(tmp_path, "cnn", seed, commit=evil, platform=evil, command=evil, ended=evil)
    found = ResultStore(tmp_path).read().records
    text = page_of(found, evil, None, lambda p: p.name, evil)
    assert "<img" not in text and text.count("<script>") == 1 and "&lt;script&gt;" in text
    assert "script-src 'sha256-" in text and "http://" not in re.sub(
        r'xmlns[:\w]*="[^"]*"', "", text
    )


def test_incomplete_rows_stand_apart(tmp_path: Path) -> None:
    board = board_of(ResultStore(grid(tmp_path)).read().records)
    assert {e.name: e.complete for e in board.entries} == {
        "cnn": True, "random_forest": True, "robusthar": False,
    }  # fmt: skip
    ranks = {line.standing.name: line.standing.rank for line in board.headlines("quick")[0]}
    assert ranks == {"random_forest": 1, "cnn": 2, "robusthar": 0}
    ((where, said),) = findings.findings(board, "quick", "robusthar")
    assert where == "bodysim+activities=3 (clean, split by random, clean)"
    assert "significantly better than CNN" in said and "RobustHAR has 3 of 5 seeds" in said
    assert "significantly before every other" in findings.headline(board, "quick")


def test_seeds_of_one_s_own_choice_have_no_rank(tmp_path: Path) -> None:
    """They meet nobody, so that nothing could be ahead of them."""
    for seed in range(5):
        written(tmp_path, "random_forest", seed)
        written(tmp_path, "cnn", 100 + seed)
    board = board_of(ResultStore(tmp_path).read().records)
    assert [entry.name for entry in board.entries] == ["random_forest"]
    assert "5 records of seeds that are not the protocol's" in board.apart[0]


def test_a_row_that_lacks_a_condition_somewhere_stands_apart(tmp_path: Path) -> None:
    for seed in range(5):
        path = written(tmp_path, "cnn", seed)
        values = json.loads(path.read_text())
        values["identity"]["rules"] |= {"scales": ["mixed"], "rates": [0.1]}
        lossy = {**values["conditions"][0], "scale": "mixed", "rate": 0.1}
        # As if the losses of its worst seed had been left out.
        values["conditions"] += [lossy] if seed != 3 else []
        path.write_text(json.dumps(values))
    (entry,) = board_of(ResultStore(tmp_path).read().records).entries
    assert len(entry.records) == entry.wanted == 5 and not entry.complete


def test_a_method_beside_its_own_variant_is_no_contest(tmp_path: Path) -> None:
    for seed in range(5):
        written(tmp_path, "cnn", seed)
    board = board_of(ResultStore(tmp_path).read().records)
    assert findings.headline(board, "quick") == "No comparison is complete yet"
    ((_, said),) = findings.findings(board, "quick", "cnn")
    assert said.endswith("no other row is complete.")
    for path in sorted(tmp_path.rglob("seed-*.json")):
        values = json.loads(path.read_text())
        values["identity"]["config"]["width"] = 32
        wide = path.parents[1] / "cnn+width=32" / path.name
        wide.parent.mkdir(exist_ok=True)
        wide.write_text(json.dumps(values))
    board = board_of(ResultStore(tmp_path).read().records)
    assert len(board.headlines("quick")[0]) == 2
    assert findings.headline(board, "quick") == "No comparison is complete yet"


def test_records_that_do_not_fit_together_are_named_not_fatal(tmp_path: Path) -> None:
    path = grid(tmp_path) / "bodysim+activities=3/clean/quick/cnn/seed-0.json"
    values = json.loads(path.read_text())
    values["identity"]["evaluator"] = 1
    path.write_text(json.dumps(values))
    board = board_of(ResultStore(tmp_path).read().records)
    assert len(board.apart) == 1 and "different versions of the evaluation" in board.apart[0]
    text = page_of(ResultStore(tmp_path).read().records, "cnn", None, lambda p: p.name)
    assert "No records that can be compared" in text


SCORES = st.lists(st.integers(0, 1000).map(lambda v: v / 10), min_size=5, max_size=5)


@given(st.lists(SCORES, min_size=2, max_size=4), st.permutations(range(5)))
def test_ranks_follow_the_rule(scores: list[list[float]], order: list[int]) -> None:
    rows = {f"m{i}": values for i, values in enumerate(scores)}
    frame = records(rows).assign(name=lambda f: f["method"])
    found = standings(frame, "f1_macro", set(rows), "nb-t", 0.05)
    assert found[0].rank == 1 and found[0].behind is None
    assert [row.mean for row in found] == sorted((row.mean for row in found), reverse=True)
    for row in found[1:]:
        assert 1 <= row.rank <= len(found) and row.behind is not None
        assert row.behind.effect >= 0 and (row.verdict == "worse") <= (row.rank > 1)
    # Which seed is called what changes nothing.
    renamed = frame.assign(seed=frame["seed"].map(dict(enumerate(order))))
    again = standings(renamed, "f1_macro", set(rows), "nb-t", 0.05)
    assert {r.name: r.rank for r in again} == {r.name: r.rank for r in found}


def test_a_row_is_complete_when_everybody_was_tested() -> None:
    rules = '{"folds": 5, "label_fraction": 0.15, "split": "subject"}'
    frame = records({"a": [90.0] * 3}).assign(name="a", split_kind="subject", rules=rules)
    # Three people make three folds, though the protocol says five.
    whole = frame.assign(n_train=100, n_validation=100, n_test=100)
    assert seeds_wanted(whole, whole, 5) == 3
    assert seeds_wanted(whole, whole[whole["seed"] < 2], 5) == 5
    few = frame.assign(n_train=800, n_validation=100, n_test=100)
    assert seeds_wanted(few, few, 0) == 5
    random = pd.concat([frame, frame.assign(name="b", seed=frame["seed"] + 3)])
    random["split_kind"] = "random"
    assert seeds_wanted(random, random[random["name"] == "a"], 0) == 3


def test_cards_say_what_the_sources_say(tmp_path: Path) -> None:
    board = board_of(ResultStore(grid(tmp_path)).read().records)
    cards = {card.name: card for card in method_cards(board.entries, {})}
    assert any("Eq. 9" in item for item in cards["robusthar"].differences)
    assert "harbench verify" in cards["robusthar"].verified
    assert "harbench check cnn" in cards["cnn"].verified and not cards["cnn"].differences
    assert str(cards["cnn"].audited) == "0/5"
    assert str(Audited(3, 1, 25)) == "3/25, 1 failed"


def test_curves_summaries_and_sweeps_are_drawn_or_said() -> None:
    conditions = [CLEAN, *(Condition(f"missing-{r}", "mixed", r / 100) for r in (5, 10))]
    plain = records({"cnn": [90.0, 91.0, 92.0], "hydra": [93.0, 92.0, 95.0]}, conditions=conditions)
    full = {"full": [90.0, 91.0, 92.0], "w/o MSTM": [80.0, 81.0, 83.0]}
    sweep = records(full).assign(variant=lambda f: f["method"], protocol="ablation")
    frames = [f.assign(name=f["method"], train_seconds=5.0, device="cpu") for f in (plain, sweep)]
    found = list(drawings(frames, lambda _: Rules(), "cnn"))
    # A curve, the cost under each protocol, a summary, the ablation.
    assert [bool(each.svg) for each in found] == [True, True, True, True, False, True]
    assert "5 points lost at" in found[4].table and "variants of ablation" in found[5].caption
    assert "w/o MSTM" in found[5].svg and "<script" not in found[5].svg
    clean = plain[plain["protocol"] == "clean"].assign(name="cnn", train_seconds=5.0, device="cpu")
    words = [each.words for each in drawings([clean], lambda _: Rules(), "cnn") if each.words]
    assert words and words[0].startswith("Not drawn: ")


def test_little_things() -> None:
    assert code("set `<b>` to 1") == "set <code>&lt;b&gt;</code> to 1"
    assert (duration(0.62), duration(12), duration(600), duration(7200)) == (
        "0.6 s", "12 s", "10 min", "2.0 h",
    )  # fmt: skip
    drawn = inline(
        '<?xml?><svg a="1"><style>x</style><g id="a"/><use xlink:href="#a"/></svg>', "f1"
    )
    assert 'id="f1-a"' in drawn and 'href="#f1-a"' in drawn and "style>" not in drawn


def test_the_commands_write_whole_pages(cli: Cli, tmp_path: Path) -> None:
    root, site = grid(tmp_path / "results"), tmp_path / "site"
    assert cli("leaderboard", "build", "--out", site).code == 0
    copies = sorted(p.relative_to(site / "records") for p in site.rglob("seed-*.json"))
    assert copies == sorted(p.relative_to(root) for p in root.rglob("seed-*.json"))
    assert cli("leaderboard", "build", "--out", site).code == 0
    refused = cli("leaderboard", "build", "--out", root)
    assert refused.code == 2 and "lies in the results folder" in refused.err and len(copies) == 13
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    refused = cli("leaderboard", "build", "--out", elsewhere)
    assert refused.code == 2 and "something else" in refused.err
    (site / "CNAME").write_text("mine")
    for out, words in ((site, "CNAME"), (site / "CNAME", "is not a folder"), (Path(), "current")):
        refused = cli("leaderboard", "build", "--out", out)
        assert refused.code == 2 and words in refused.err
    assert (site / "CNAME").read_text() == "mine"
    report = tmp_path / "mine" / "report.html"
    assert cli("report", "--out", report, "--method", "cnn").code == 0
    text = report.read_text()
    assert "Random forest" not in text and "../results/bodysim%2Bactivities%3D3/clean" in text
    pytest.importorskip("weasyprint", reason="pip install 'harbench[pdf]'")
    assert cli("report", "--out", tmp_path / "r.pdf").code == 0
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_shows_the_sensor_maps_of_probes_and_names_damaged_ones(tmp_path: Path) -> None:
    (probe,) = (ROOT / "results").glob("probes/dsads/subject/quick/cnn/sensors.json")
    for label in ("cnn", "a<b"):
        copy = tmp_path / "probes" / "dsads" / "subject" / "quick" / label / "sensors.json"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(probe.read_bytes() if label == "cnn" else b"{}")
    rows = {("dsads", "quick", label) for label in ("cnn", "a<b")}
    damaged, drawn, table = sensor_maps(tmp_path, rows)
    assert not list(sensor_maps(tmp_path, {("spar", "quick", "cnn")}))
    assert damaged.words.startswith("Not drawn: ") and str(tmp_path) in damaged.words
    assert drawn.svg.count("<svg") == 1 and "CNN: dsads; subject; quick" in drawn.caption
    # The table says in words what the map draws: what docs/probes.md has, the left leg first.
    rows = re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)</td>', table.table)
    assert rows[0][0] == "left leg" and len(rows) == 5
    page = (ROOT / "docs" / "probes.md").read_text()
    assert all(re.search(rf"\| {name} \|.*\| {value} ±", page) for name, value in rows)
    text = page_of(ResultStore(grid(tmp_path)).read().records, "cnn", None, str, probes=tmp_path)
    assert drawn.svg in text and table.table in text and "a&lt;b" in text and "a<b" not in text
