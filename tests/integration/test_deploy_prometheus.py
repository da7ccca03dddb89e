"""Rules, runbook and dashboard: by promtool, and by a real Prometheus that scraped the real service."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from models.networks.selu import SATURATION
from tests.support import bundles
from tests.support.prometheus import CONFIGURATION, ROOT, Prometheus, binary, scraping
from tests.support.server import Server, running

GRAFANA = ROOT / "deploy" / "grafana"
RUNBOOK = (ROOT / "docs" / "how-to" / "runbook.md").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards" / "snn-serving.json").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for file in sorted((CONFIGURATION / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def left_hand_side(expression: str) -> str:
    """What an alert compares: without the comparison it has data while all is well."""
    compared = re.split(r" or absent\(| unless ", expression, maxsplit=1)[0].strip()
    without = re.sub(r"\s*(==|>)\s*[\d.]+\s*$", "", compared)
    assert without != expression.strip(), f"no comparison at the end of {expression}"
    return without


def in_test(expression: str) -> str:
    """A panel's query as Grafana sends it."""
    for name, value in {"$__rate_interval": "1m", "$model": ".*"}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


QUERIES = {
    **{f"record {rule['record']}": rule["record"] for rule in RULES if "record" in rule},
    **{f"alert {name}": left_hand_side(rule["expr"]) for name, rule in ALERTS.items()},
    **{
        f"panel {panel['title']} {target['refId']}": in_test(target["expr"])
        for panel in PANELS
        for target in panel["targets"]
    },
}


def promtool(*arguments: str) -> None:
    """Run promtool in the folder of the rules' tests; a failure shows what it said."""
    done = subprocess.run(
        [binary("promtool"), *arguments],
        cwd=CONFIGURATION / "tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    """Prometheus' own checker takes the configuration and every rule."""
    promtool("check", "config", "../prometheus.yml")


def test_the_configuration_with_a_key_is_otherwise_the_same() -> None:
    """Prometheus of a service with API keys differs by the key's file alone."""
    plain, keys = (
        yaml.safe_load((CONFIGURATION / name).read_text(encoding="utf-8"))
        for name in ("prometheus.yml", "prometheus.keys.yml")
    )
    key = keys["scrape_configs"][0].pop("authorization")
    assert key == {"credentials_file": "/run/secrets/metrics-key"}
    assert keys == plain


@pytest.mark.parametrize("file", ["alerts.test.yml", "recording.test.yml"])
def test_the_rules_do_what_they_should(file: str) -> None:
    """Prometheus' own unit tests: alerts ring in time and not for a neighbour; moments are exact."""
    promtool("test", "rules", file)


def test_every_alert_has_a_unit_test() -> None:
    """An alert that nobody has seen ringing may never ring."""
    tests = yaml.safe_load((CONFIGURATION / "tests" / "alerts.test.yml").read_text())["tests"]
    rung = {
        case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")
    }
    silent = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if not case.get("exp_alerts")
    }
    assert rung == silent == set(ALERTS)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_leads_to_its_paragraph(name: str) -> None:
    """The link in an alert names a heading of the runbook, and text follows it."""
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"]["runbook_url"] == f"docs/how-to/runbook.md#{name.lower()}"
    paragraph = re.search(rf"^## {name}\n\n(.+)", RUNBOOK, flags=re.MULTILINE)
    assert paragraph is not None
    assert len(paragraph[1]) > 60


def test_the_runbook_is_about_nothing_else() -> None:
    """A heading without an alert is of one that was taken away."""
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, flags=re.MULTILINE)) == set(ALERTS)


def test_the_recorded_moments_use_selus_constant() -> None:
    """The rules' λα is the one that the service adds to activations."""
    text = (CONFIGURATION / "rules" / "recording.yml").read_text(encoding="utf-8")
    assert {float(number) for number in re.findall(r"1\.75\d+", text)} == {-SATURATION}


def test_grafanas_parts_fit_together() -> None:
    """Panels ask the provisioned source, have distinct ids and names, and lie on the grid apart."""
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    (source,) = sources["datasources"]
    assert (sources["apiVersion"], source["type"], source["access"]) == (1, "prometheus", "proxy")
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/snn.yml").read_text())["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    asked = [panel["datasource"] for panel in PANELS]
    asked += [target["datasource"] for panel in PANELS for target in panel["targets"]]
    asked += [variable["datasource"] for variable in DASHBOARD["templating"]["list"]]
    assert all(one == {"type": "prometheus", "uid": source["uid"]} for one in asked)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        taken |= cells


class Watched:
    """A service under traffic and the Prometheus that scrapes it."""

    def __init__(self, server: Server, prometheus: Prometheus) -> None:
        self.server, self.prometheus = server, prometheus


def ask(server: Server, rows: int, **headers: str) -> int:
    """Post so many candidates and one that is none."""
    inputs = [*bundles.candidates(rows).tolist(), [1, 2]]
    body = {"model": "htru2", "inputs": inputs}
    return server.client.post("/predict", json=body, headers=headers).status_code


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Two workers that answered good and bad records, were scraped meanwhile, and turned one away."""
    binary("prometheus")
    folder = tmp_path_factory.mktemp("watched")
    bundles.publish(folder / "models")
    with running(folder, models=folder / "models", workers=2, max_rows=20_000) as server:
        assert server.wait_until_ready().status_code == 200
        target = server.address.removeprefix("http://")
        with scraping(folder, target) as prometheus:
            ask(server, 16_000)  # from now on it knows how long so many rows take
            assert ask(server, 16_000, **{"X-Request-Timeout-Ms": "1"}) in {429, 504}
            prometheus.wait_for("snn_requests_total")
            end = time.monotonic() + 4
            while time.monotonic() < end:
                assert ask(server, 100) == 200
                time.sleep(0.02)
            yield Watched(server, prometheus)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_query_returns_data(watched: Watched, name: str) -> None:
    """Rules and panels ask for what the service really exports, under the labels that it has."""
    samples = watched.prometheus.wait_for(QUERIES[name])
    assert all(sample["value"][1] != "NaN" for sample in samples), samples


@pytest.mark.slow
def test_a_healthy_service_rings_no_alarm(watched: Watched) -> None:
    """Under clean traffic nothing fires, and nothing that rings at once is about to."""
    watched.prometheus.wait_for("snn_activation_verdict")
    loud = watched.prometheus.query('ALERTS{alertstate="firing"}')
    assert {sample["metric"]["alertname"] for sample in loud} == set()


@pytest.mark.slow
def test_the_variable_of_the_dashboard_finds_the_models(watched: Watched) -> None:
    """The list of models is not empty where one is served."""
    (variable,) = DASHBOARD["templating"]["list"]
    matched = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
    assert matched is not None
    found = {sample["metric"][matched[2]] for sample in watched.prometheus.query(matched[1])}
    assert found == {"htru2"}


@pytest.mark.slow
def test_recorded_moments_are_those_of_the_rows(watched: Watched) -> None:
    """Prometheus' mean and variance of each layer agree with the network's own on the same rows."""
    rows = bundles.candidates(100)  # the same in every request
    taps = bundles.run(bundles.graph(), rows)["taps"].astype(float)
    for kind in ("mean", "variance"):
        record = f"model_version_member_layer:snn_activation_{kind}:rate5m"
        for sample in watched.prometheus.wait_for(record):
            place = int(sample["metric"]["member"]), int(sample["metric"]["layer"]) - 1
            own = taps[:, *place]
            pooled = own[:, 1].mean() + own[:, 0].var()
            expected = own[:, 0].mean() if kind == "mean" else pooled
            assert float(sample["value"][1]) == pytest.approx(expected, abs=2e-3)
