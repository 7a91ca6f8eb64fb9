"""The report in a real browser: it opens from disk, says nothing on the console, searches, sorts, and fits a phone.

Screenshots are kept in ``build/screenshots``. Skipped where there is no Chromium (``CHROMIUM`` names one elsewhere).
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from embedpipe.probes.report import write_report

pytestmark = [pytest.mark.extra, pytest.mark.slow]

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that draws WebGL in software."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'embedpipe[dev]'")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it")
    software = ["--no-sandbox", "--disable-dev-shm-usage", "--use-gl=angle", "--use-angle=swiftshader"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=[*software, "--enable-unsafe-swiftshader"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser, full, tmp_path_factory):
    """Open the report, watching the console and the network: at the end nothing may have been said or asked."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, full)
    said, contexts = [], []

    def page(**settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(f"failed: {request.url[:80]}"))
        page.on("request", lambda request: said.append(f"asked for: {request.url[:80]}"))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-map=map-word][data-ready]", timeout=60_000)
        page.wait_for_selector("[data-map=map-sentence][data-ready]", timeout=60_000)
        return page

    yield page
    for context in contexts:
        context.close()
    asked = {
        line for line in said if line.startswith("asked for: ") and line[11:].split(":")[0] not in ("data", "blob")
    }
    assert asked == {f"asked for: {path.as_uri()[:80]}"}
    # The driver of WebGL in software tells how fast it reads pixels, which is no fault of the page.
    assert [line for line in said if "GPU stall" not in line and not line.startswith("asked for: ")] == []


@pytest.fixture(scope="module")
def shared(opened):
    """The page that the tests below share: to open it takes longer than all they do with it."""
    return opened(viewport=DESK)


@pytest.fixture
def page(shared):
    """The page as it opens: on a desk, in light, nothing searched for."""
    shared.set_viewport_size(DESK)
    shared.emulate_media(color_scheme="light")
    for whole in shared.locator(".whole").all():
        whole.click()
    return shared


def shot(page, name, *, whole=True):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=whole)
    assert (SHOTS / f"{name}.png").stat().st_size > 10_000


def ranges(page, name):
    return page.evaluate(f"[...document.getElementById('{name}').layout.xaxis.range]")


def test_it_opens_from_disk_and_draws_both_maps(page) -> None:
    assert page.title() == "wiki & co: embedpipe report", "no text of the corpus ran as a script"
    assert page.get_attribute("[data-map=map-word]", "data-ready") == "scattergl"
    for name in ("map-word", "map-sentence"):
        assert page.evaluate(f"document.getElementById('{name}').data.reduce((n, t) => n + t.x.length, 0)") == 60


def test_search_finds_a_word_centres_it_and_lists_what_is_nearest(page) -> None:
    page.fill("#map-word-find", "WORD33")
    page.press("#map-word-find", "Enter")
    list_ = page.locator("[data-map=map-word] .nearest")
    list_.locator("li").nth(2).wait_for()
    assert list_.locator("b").inner_text() == "word33"
    assert list_.locator("li button").all_inner_texts() == ["word34", "word35", "word36"]
    assert "0.90" in list_.locator("li").first.inner_text()
    low, high = ranges(page, "map-word")
    assert (low + high) / 2 == pytest.approx(-0.9 + 0.2 * 3)
    assert high - low < 2.1
    shown = page.evaluate("document.getElementById('map-word').layout.annotations.map((a) => a.text)")
    assert shown[0] == "<b>word33</b>"
    page.locator("[data-map=map-word] .nearest").scroll_into_view_if_needed()
    shot(page, "report-search", whole=False)
    list_.locator("li button").first.click()
    page.wait_for_function("document.querySelector('[data-map=map-word] .nearest b').textContent === 'word34'")
    page.fill("#map-word-find", "zebra")
    page.click("[data-map=map-word] button[type=submit]")
    assert "“zebra” is not among the 60 words of this map" in list_.inner_text()
    page.wait_for_function("document.getElementById('map-word').layout.xaxis.range[0] < -0.98")
    page.fill("#map-word-find", "ord5")
    page.press("#map-word-find", "Enter")
    assert "No word is “ord5” or begins with it. 11 hold “ord5”:" in list_.inner_text()
    assert list_.locator("li button").all_inner_texts()[:2] == ["word5", "word50"]
    list_.locator("li button").nth(1).click()
    assert list_.locator("b").inner_text() == "word50"
    page.fill("#map-word-find", "WORD3")
    page.press("#map-word-find", "Enter")
    assert list_.locator("b").inner_text() == "word3", "the word itself, before those that begin with it"
    page.fill("#map-sentence-find", "number 7 stands")
    page.press("#map-sentence-find", "Enter")
    assert page.locator("[data-map=map-sentence] .nearest b").inner_text() == "sentence number 7 stands here"
    page.click("[data-map=map-word] .whole")
    page.wait_for_function("document.getElementById('map-word').layout.xaxis.range[0] < -0.98")


def test_a_text_that_is_a_script_is_shown_and_not_run(page) -> None:
    page.fill("#map-word-find", "</script>")
    page.press("#map-word-find", "Enter")
    assert page.locator("[data-map=map-word] .nearest b").inner_text().startswith("</script><script>")
    assert page.title() == "wiki & co: embedpipe report"


def test_tables_sort_both_ways_by_number_and_by_text(page) -> None:
    table = page.locator("table", has_text="Each task beside its strongest baseline")

    def column(place):
        return [row.locator("th, td").nth(place).inner_text() for row in table.locator("tbody tr").all()]

    value = table.locator("thead th").nth(2)
    value.locator("button").click()
    assert value.get_attribute("aria-sort") == "descending"
    assert column(2) == ["0.900", "0.700", "0.610"]
    value.locator("button").click()
    assert value.get_attribute("aria-sort") == "ascending"
    assert column(2) == ["0.610", "0.700", "0.900"]
    task = table.locator("thead th").nth(0)
    task.locator("button").press("Enter")
    assert task.get_attribute("aria-sort") == "ascending"
    assert value.get_attribute("aria-sort") is None
    assert column(0) == ["cr", "sick", "tiny"]
    bias = page.locator("table", has_text="Association tests")
    for _ in range(2):
        bias.locator("thead th").nth(3).locator("button").click()
        assert bias.locator("tbody tr").last.locator("th").inner_text() == "weat 7", "what has no figure stands last"


def test_a_narrow_window_does_not_scroll_sideways(page) -> None:
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "[...document.querySelectorAll('.stacked')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert page.evaluate(wide) == 0, "each row is a card"
    head = "getComputedStyle(document.querySelector('.stacked td[data-head=difference]'), '::before').content"
    assert "difference" in page.evaluate(head)


@pytest.mark.slow
def test_a_phone_does_not_scroll_sideways(opened) -> None:
    page = opened(viewport=PHONE, is_mobile=True, has_touch=True)
    for folded in page.locator("summary").all():
        folded.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "auto"
    shot(page, "report-phone")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(page, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
    paper = "#ffffff" if scheme == "light" else "#14181f"
    page.wait_for_function(f"document.getElementById('map-word').layout.paper_bgcolor === '{paper}'")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 100
    worst = min(found, key=lambda one: one[0])
    assert worst[0] >= 4.5, worst
    page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = false; })")
    shot(page, f"report-{scheme}")


def test_dark_is_another_page_for_the_eye(page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == "rgb(20, 24, 31)"


def test_the_keyboard_reaches_the_content_and_paper_shows_what_is_folded(page) -> None:
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, 0)")
    page.locator(".skip").focus()
    assert page.locator("a, button, input, [tabindex='0']").first.get_attribute("href") == "#main", "the first stop"
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main section > details:not([open])").count() == 0
    assert page.locator("figure details[open]").count() == 0, "the numbers of a plot would fill the paper"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    tree = page.locator("body").aria_snapshot()
    assert re.search(r"- banner", tree)
    assert "- main" in tree
    assert '- img "How often the words stand in the text' in tree
    assert '- button "strongest baseline"' in tree, "the arrow of a head is not read aloud"


CONTRASTS = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
  };
  return [...document.querySelectorAll("body *")].filter((e) => !e.closest(".canvas, script, noscript, .skip") &&
    e.getClientRects().length && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
      const style = getComputedStyle(e), own = e instanceof SVGElement ? style.fill : style.color;
      const [a, b] = [light(parse(own)), light(ground(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.tagName, e.textContent.slice(0, 40)];
    });
}"""
