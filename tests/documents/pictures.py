"""Makes the README's pictures: ``python -m tests.documents.pictures``, or ``make pictures``.

The dashboard is photographed, light and dark, by Chromium before a service with the committed models,
which were sent rows of the official data sets: anything else would show traffic unlike the training's.
The bar chart is drawn from ``docs/data/servers.csv``, which ``make bench ARGS=peers`` measures.
"""

import csv
import random
import shutil
import sys
import tempfile
from html import escape
from pathlib import Path

from tests.support.server import ROOT, Server, running
from training.data.official import htru2, tox21

IMAGES, TABLE = ROOT / "docs" / "images", ROOT / "docs" / "data" / "servers.csv"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_VIEW = {"width": 1280, "height": 1392}
_ASKED = "CC(C)(c1ccc(O)cc1)c1ccc(O)cc1 bisphenol A\nCN1C=NC2=C1C(=O)N(C(=O)N2C)C caffeine"
_REQUESTS, _ROWS = 20, 64

_LEFT, _WIDTH, _BAR, _GAP, _TOP = 210, 430, 16, 8, 34
_COLUMN = "1 row, 32 connections"


def draw_bars(table: Path = TABLE) -> str:
    """Return the bar chart of a table of servers as SVG; the first row is this service."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [(row["server"], int(row[_COLUMN])) for row in csv.DictReader(file)]
    most = max(value for _, value in rows)
    height = _TOP + len(rows) * (_BAR + _GAP) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        "<title>Requests per second of servers around the same network</title>",
        "<style>text{fill:#24292f}.us{fill:#0a7f5a}.other{fill:#8b98a5}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.us{fill:#2fbf8f}.other{fill:#6b7785}}</style>",
        '<text x="0" y="16" font-weight="600">Requests per second, one row each, 32 connections,'
        " one core</text>",
    ]
    for number, (name, value) in enumerate(rows):
        y = _TOP + number * (_BAR + _GAP)
        width = max(1, round(_WIDTH * value / most))
        kind = "us" if number == 0 else "other"
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width}" height="{_BAR}" rx="2"/>',
            f'<text x="{_LEFT + width + 6}" y="{y + 13}">{value:,}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def show_traffic(server: Server) -> None:
    """Send rows of the data sets, found or fetched as training does, to both models."""
    candidates, compounds = htru2.load().records, [sample.parent for sample in tox21.read_leaderboard()]
    rows = random.Random(0)
    for _ in range(_REQUESTS):
        some = [list(record) for record in rows.sample(candidates, _ROWS)]
        server.client.post("/predict", json={"model": "htru2", "inputs": some}).raise_for_status()
    server.client.post("/predict", json={"smiles": compounds}).raise_for_status()


def photograph(server: Server, folder: Path) -> list[Path]:
    """Write ``dashboard-light.png`` and ``dashboard-dark.png`` into a folder; return their paths."""
    from playwright.sync_api import sync_playwright

    made = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=_VIEW, color_scheme=scheme, reduced_motion="reduce")
            page = context.new_page()
            page.goto(f"{server.address}/?model=tox21")
            page.get_by_label("Molecules").fill(_ASKED)
            page.get_by_role("button", name="Predict", exact=True).click()
            page.locator(".molecule .picture.done").nth(1).wait_for()
            page.mouse.move(0, 0)
            page.wait_for_timeout(1000)  # an event of the stream
            made.append(folder / f"dashboard-{scheme}.png")
            page.screenshot(path=made[-1])
            context.close()
        browser.close()
    return made


def main() -> int:
    """Make all of them; without Chromium only what is drawn."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    (IMAGES / "servers.svg").write_text(draw_bars(), encoding="utf-8")
    if CHROMIUM is None:
        sys.stderr.write("there is no chromium: the dashboard is not photographed\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with running(place, models=ROOT / "models" / "repository") as server:
            server.wait_until_ready()
            show_traffic(server)
            photograph(server, IMAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
