"""How soon the dashboard is painted in a browser that was never there, and whether anything jumps."""

import shutil

from tests.benchmarks.report import Options, Skipped, Table, spread
from tests.benchmarks.server import HOST, service

_VISITS = 5
_VIEW = {"width": 1280, "height": 900}
_WATCH = """window.shifts = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.shifts += one.value;
}).observe({type: "layout-shift", buffered: true});"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]"


def run(options: Options) -> list[Table]:
    """Visit the page several times in each repetition, each time without anything in the cache."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise Skipped("there is no chromium")
    from playwright.sync_api import sync_playwright

    painted: list[float] = []
    moved: list[float] = []
    with (
        service(options.models, device="cpu") as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        ) as browser,
    ):
        for _ in range(_VISITS * options.repetitions):
            with browser.new_context(viewport=_VIEW) as context:
                page = context.new_page()
                page.add_init_script(_WATCH)
                page.goto(f"http://{HOST}:{server.port}")
                page.locator("article.model .badge").first.wait_for()
                page.wait_for_timeout(1500)  # until the charts are drawn
                painted.append(page.evaluate(f"{_PAINTED}.startTime"))
                moved.append(page.evaluate("window.shifts"))
            options.say(f"page: {painted[-1]:.0f} ms")
    rows: list[list[str]] = [
        ["first contentful paint, ms", spread(painted), "≤ 300"],
        ["layout shift, of 1", spread(moved), "≤ 0.01"],
    ]
    notes = [f"{len(painted)} first visits by Chromium on the same machine, which shares its cores."]
    return [Table("The dashboard in a browser", ["", "median (range)", "target"], rows, notes)]
