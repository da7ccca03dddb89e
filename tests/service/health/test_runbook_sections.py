"""Every advice leads to a section of the page's runbook."""

import re
from pathlib import Path

from service.health import words

ROOT = Path(__file__).resolve().parents[3]


def test_each_section_that_an_advice_names_is_on_the_page() -> None:
    """A link of the page that led nowhere would leave an operator alone."""
    source = Path(words.__file__).read_text()
    named = set(re.findall(r'^ {4,12}"([a-z]+(?:-[a-z]+)*)",$', source, re.MULTILINE))
    assert {"wrong-columns", "stale-model", "snnmodelnotintact"} <= named
    page = (ROOT / "service/web/runbook.html").read_text()
    assert named <= set(re.findall(r'<section id="([^"]+)"', page))
