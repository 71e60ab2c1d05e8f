"""The page in a real browser: it sorts, filters, opens what links name, without complaint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.boards import grid

from harbench.cli.report import page_of
from harbench.running.store import ResultStore

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDTHS = [(1280, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of this machine, or Playwright's own."""
    own = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as driver:
        try:
            started = driver.chromium.launch(executable_path=own, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium to be started: {str(error).splitlines()[0]}")
        yield started
        started.close()


@pytest.fixture(params=WIDTHS, ids=lambda each: str(each[0]))
def page(browser: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page of made-up records, opened from the file system; errors fail the test."""
    width, scheme = request.param
    root = grid(tmp_path / "records")
    found = ResultStore(root).read().records
    file = tmp_path / "index.html"
    shipped = Path(__file__).resolve().parents[2] / "results"
    file.write_text(
        page_of(found, "robusthar", None, lambda p: str(p.relative_to(tmp_path)), probes=shipped)
    )
    shown = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda request: said.extend(
        [request.url] if not request.url.startswith(("file:", "data:")) else []))  # fmt: skip
    shown.goto(file.as_uri())
    yield shown
    assert said == []
    shown.close()


def names(page: Any) -> list[str]:
    found: list[str] = page.locator("#complete tbody tr:visible th").all_inner_texts()
    return found


def test_sorting_by_mouse_and_keyboard(page: Any) -> None:
    assert names(page) == ["Random forest", "CNN"]
    head = page.get_by_role("columnheader", name="Score %").first
    head.get_by_role("button").press("Enter")
    playwright.expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("button").click()
    playwright.expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == ["CNN", "Random forest"]
    playwright.expect(page.locator("#shown")).to_have_text("Sorted by Score %, ascending")


def test_filtering_and_its_undoing(page: Any) -> None:
    status = page.locator("#shown")
    playwright.expect(status).to_have_text("3 rows shown")
    page.get_by_role("searchbox", name="Method").fill("forest")
    playwright.expect(status).to_have_text("1 row shown")
    assert names(page) == ["Random forest"] and page.locator("#incomplete-none").is_visible()
    page.get_by_role("button", name="Reset").click()
    playwright.expect(status).to_have_text("3 rows shown")
    page.get_by_role("combobox", name="Metric").select_option("balanced accuracy")
    shown = page.locator("#complete tbody tr:visible").first
    playwright.expect(shown).to_contain_text("balanced accuracy")
    # A sorted table is still a filtered one.
    page.get_by_role("columnheader", name="Rank").get_by_role("button").click()
    page.get_by_role("searchbox", name="Method").fill("cnn")
    playwright.expect(status).to_have_text("1 row shown")


def test_a_cell_leads_to_its_records(page: Any) -> None:
    cell = page.locator("#complete tbody tr:visible td a[href^='#run-']").first
    target = page.locator(cell.get_attribute("href"))
    assert target.get_attribute("open") is None
    cell.click()
    playwright.expect(target.get_by_text("harbench run --method random_forest")).to_be_visible()
    with page.expect_navigation():
        target.get_by_role("link", name="seed-0.json").click()
    assert '"schema": 2' in page.content()


def test_nothing_sticks_out_and_axe_finds_nothing(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
