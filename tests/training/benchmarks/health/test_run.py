"""``benchmark health`` in small, on the committed HTRU2: the whole way, and what its table says."""

import pytest

pytest.importorskip("torch", reason="the extra train is not installed")

from models.registry.store import Repository
from service.settings import COMMITTED_MODELS
from training.benchmarks.health import run
from training.data.official.sources import HTRU2, locate

# Twenty seconds of processor time; a machine may be busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GROUPS = ("clean", "data", "population", "model", "model, traffic mildly shifted")
VERDICT, EFFECT, ORIGIN = 4, 5, 6


@pytest.fixture(scope="module")
def text(one_process: None) -> str:
    """The report of a run that tries little of everything."""
    if locate(HTRU2) is None:
        pytest.skip(f"{HTRU2.name} is not at hand: set SNN_DATA_DIR to a folder that holds it")
    return run(Repository(COMMITTED_MODELS), 1, 1, lambda _: None, quick=True)


def section(text: str, title: str) -> list[list[str]]:
    """The cells of the first table below a title, without its head."""
    lines = text[text.index(title) :].splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("|---"))
    table = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def test_every_fault_has_a_line_and_what_is_gross_is_found(text: str) -> None:
    """Rates of all four windows; clean traffic is flagged at the rate asked for, gross faults always."""
    faults: dict[str, dict[str, list[str]]] = {}
    for name, *cells in section(text, "### By fault"):
        group, _, fault = name.partition(": ")
        faults.setdefault(group, {})[fault] = cells
    assert tuple(faults) == GROUPS
    rates = {
        name: [float(rate) for rate in cells[0].split()]
        for own in faults.values()
        for name, cells in own.items()
    }
    assert {len(each) for each in rates.values()} == {4}
    assert max(rates["clean"]) < 0.1
    for name in ("scaled already", "columns shuffled", "a foreign model of the same shape"):
        assert rates[name][1:] == [1.0, 1.0, 1.0], name
    for group in ("model", "model, traffic mildly shifted"):
        for name, cells in faults[group].items():
            if name.endswith("× 2"):
                assert (cells[VERDICT], cells[ORIGIN]) == ("1.00, 1.00", "1.00"), name
                assert float(cells[EFFECT].split()[0]) > 1, name
    clean = faults["clean"]["clean"]
    assert (clean[VERDICT], clean[ORIGIN]) == ("0.00, 0.00", "")
    effect, estimate = (float(part.strip("()")) for part in clean[EFFECT].split())
    assert effect < 0.1 < estimate < 0.5


def test_what_is_said_in_short_is_what_the_tables_say(text: str) -> None:
    """The first table has a column for the model, and the groups' figures in it."""
    short = dict(section(text, "## In short"))
    ours = dict(zip(("data", "population", "model"), section(text, "### By group")[0][1:], strict=True))
    for group, rates in ours.items():
        assert (
            short[f"{group}: mean detection at 1 / 32 / 256 / 1024 rows"].split(" / ") == rates.split()
        )
    named = short["origin named rightly, faults of data and model (lowest)"]
    assert float(named.split()[0]) > 0.95
    shift = short["clean windows of 256 rows: degraded, largest shift"].split(", ")
    assert (float(shift[0]), 0 < float(shift[1]) < 0.5) == (0.0, True)
    streams = "clean streams: rows; windows degraded, unhealthy; sequential false alarms"
    assert short[streams] == "10,000; 0, 0; 0"


def test_groups_are_compared_with_every_rival(text: str) -> None:
    """Ours find faults of the model that monitors of inputs do not, and the lead has a bound."""
    groups = {name: cells for name, *cells in section(text, "### By group")}
    assert float(groups["inputs and layers"][2].split()[2]) > 0.95
    assert float(groups["KS by feature"][2].split()[2]) < 0.1
    leads = section(text, "Best rival less ours")
    assert [line[0] for line in leads] == ["data", "population", "model"]
    for cell in leads[2][1:]:
        lead, bound = (float(part.strip("()")) for part in cell.split()[:2])
        assert lead <= bound < 0.1


def test_clean_traffic_alarms_nobody(text: str) -> None:
    """Both orders are there, and none of their windows turned a verdict."""
    clean = section(text, "## Clean traffic")
    assert [line[1] for line in clean] == ["random", "alike"]
    for line in clean:
        assert (line[3], line[4], line[5], line[6]) == ("5,000", "0 of 5", "0", "0")
