"""Administration over HTTP: the same steps as on the command line, by the same rules."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.registry.release_log import ReleaseLog
from models.registry.releases import Releases
from models.registry.store import Repository
from service.api.auth.keys import KeyFile, KeyStore, new_key
from service.api.routes.admin import Administration
from service.lifecycle.trials.challengers import Challengers
from tests.service.conftest import App
from tests.support import bundles


@pytest.fixture
def admin(with_app, tmp_path: Path, tmp_path_factory):
    """Return a function that runs a test's work on an application with keys and three versions."""
    for seed in (1, 2):
        bundles.publish(tmp_path, seed=seed, promote=False)
    folder = tmp_path_factory.mktemp("state")
    made = [new_key(name, (name,)) for name in ("admin", "metrics", "predict")]
    (folder / "keys.json").write_bytes(msgspec.json.encode(KeyFile(tuple(entry for _, entry in made))))
    key_store = KeyStore(folder / "keys.json")
    releases = Releases(Repository(tmp_path), folder)

    def run(work) -> None:
        async def with_keys(app: App) -> None:
            async def ask(method: str, path: str, name: str = "admin", **options: object):
                key = next(key for key, entry in made if entry.name == name)
                return await app.client.request(method, path, headers={"x-api-key": key}, **options)

            await work(app, ask, releases)

        def prepare(app: App) -> None:
            app.rebuild(key_store=key_store, administration=Administration(releases, app.reloader))

        with_app(with_keys, prepare=prepare)

    return run


def test_list_promote_compare_roll_back_and_log(admin) -> None:
    """Each step is answered, taken up by the next poll, and in the log under the key's name."""

    async def work(app: App, ask, releases: Releases) -> None:
        done = await ask("POST", "/admin/models/htru2/promote", json={"version": 3, "why": "newer"})
        assert (done.status_code, done.json()["champion"]) == (200, 3)
        await app.reloader.poll()
        listed = (await ask("GET", "/admin/models", "metrics")).json()["models"]["htru2"]
        assert (listed["champion"], listed["serving"], listed["previous"]) == (3, 3, [1])
        assert [version["version"] for version in listed["versions"]] == [1, 2, 3]
        compared = await ask("GET", "/admin/models/htru2/compare?first=1&second=3", "metrics")
        assert compared.json()["versions"][1]["version"] == 3
        done = await ask("POST", "/admin/models/htru2/rollback")
        assert done.json()["champion"] == 1
        again = await ask("POST", "/admin/models/htru2/rollback")
        assert again.status_code == 409
        assert "no earlier champion" in again.json()["error"]
        log = (await ask("GET", "/admin/log?model=htru2", "metrics")).json()["entries"]
        assert [(step["action"], step["by"]) for step in log] == [
            ("promote", "key:admin"),
            ("rollback", "key:admin"),
        ]
        assert log[0]["why"] == "newer"

    admin(work)


def test_loading_and_unloading_are_steps_too(admin) -> None:
    """A model is taken out of service and back by request."""

    async def work(app: App, ask, releases: Releases) -> None:
        assert (await ask("POST", "/admin/models/htru2/unload")).status_code == 200
        assert app.served_models.state("htru2").unloaded
        assert (await ask("POST", "/admin/models/htru2/load")).status_code == 200
        assert app.served_models.get("htru2").manifest.version == 1
        assert (await ask("POST", "/admin/models/nothing/load")).status_code == 404

    admin(work)


def test_only_an_admin_key_changes_anything(admin) -> None:
    """Other keys read at most; mistakes are named, each with its own status."""

    async def work(app: App, ask, releases: Releases) -> None:
        for name in ("metrics", "predict"):
            refused = await ask("POST", "/admin/models/htru2/promote", name, json={"version": 2})
            assert refused.status_code == 403
        assert (await ask("GET", "/admin/log", "predict")).status_code == 403
        assert (await app.client.get("/admin/models")).status_code == 401
        for content, status in (
            (b"", 400),
            (b"{", 400),
            (b'{"version": "2"}', 422),
            (b'{"version": 2, "force": true}', 422),
            (b'{"version": 9}', 404),
        ):
            answer = await ask("POST", "/admin/models/htru2/promote", content=content)
            assert answer.status_code == status, content
        assert (await ask("POST", "/admin/models/..%2Fhtru2/promote", json={"version": 2})).is_error
        path = releases.repository.bundle("htru2", 2) / "model.onnx"
        path.write_bytes(path.read_bytes()[:-1])
        cut = await ask("POST", "/admin/models/htru2/promote", json={"version": 2})
        assert (cut.status_code, releases.serving("htru2").champion) == (409, 1)
        assert "truncated" in cut.json()["error"]
        assert (await ask("GET", "/admin/models/htru2/versions/1/gate")).status_code == 404

    admin(work)


def test_keys_are_listed_without_their_hashes(admin) -> None:
    """Names, scopes and rates; nothing that could be tried."""

    async def work(app: App, ask, releases: Releases) -> None:
        answer = await ask("GET", "/admin/keys", "metrics")
        assert {key["name"] for key in answer.json()["keys"]} == {"admin", "metrics", "predict"}
        assert "sha256" not in answer.text
        assert not any(set(key) & {"id", "sha256"} for key in answer.json()["keys"])

    admin(work)


def test_a_model_is_checked_on_demand(admin) -> None:
    """Administrators have it checked at once; a fault is named and mended; others see what was found."""

    async def work(app: App, ask, releases: Releases) -> None:
        path = "/health/integrity/htru2"
        assert (await ask("POST", path, "metrics")).status_code == 403
        before = (await ask("GET", path, "metrics")).json()
        assert before["ok"]
        assert before["fault"] is None
        after = (await ask("POST", path)).json()
        assert after["ok"]
        assert after["checked_at"] > before["checked_at"]
        served = app.served_models.get("htru2")
        run = served.session.run

        def wrong(rows: np.ndarray) -> dict[str, np.ndarray]:
            outputs = run(rows)
            outputs["taps"][:, 1, 2] *= 1.001
            return outputs

        served.session.run = wrong
        found = (await ask("POST", path)).json()
        assert found["ok"]  # loaded anew
        fault = found["fault"]
        assert (fault["part"], fault["member"], fault["layer"]) == ("layer", 1, 3)
        assert "member 1, layer 3" in fault["message"]
        assert app.served_models.get("htru2") is not served
        assert (await ask("POST", "/health/integrity/none")).status_code == 404

    admin(work)


def test_a_step_that_cannot_be_logged_is_answered_with_a_warning(
    admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promote and roll back were done: 200 with the champion, and what could not be written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def work(app: App, ask, releases: Releases) -> None:
        monkeypatch.setattr(ReleaseLog, "add", full)
        for step, champion in (("promote", 2), ("rollback", 1)):
            done = await ask("POST", f"/admin/models/htru2/{step}", json={"version": 2})
            assert (done.status_code, done.json()["champion"]) == (200, champion)
            assert "No space left" in done.json()["warning"]
            assert releases.serving("htru2").champion == champion

    admin(work)


def test_a_request_learns_what_its_own_keys_may_do(admin) -> None:
    """Names and scopes of the valid keys in either header, ``admin`` with what it implies; no others."""

    async def work(app: App, ask, releases: Releases) -> None:
        answer = (await ask("GET", "/admin/key", "predict")).json()
        assert answer == {"needed": True, "keys": [{"name": "predict", "scopes": ["predict"]}]}
        answer = (await ask("GET", "/admin/key")).json()
        assert answer["keys"] == [{"name": "admin", "scopes": ["admin", "metrics", "probe"]}]
        for headers in ({}, {"authorization": "Bearer nobody's"}):
            bare = await app.client.get("/admin/key", headers=headers)
            assert (bare.status_code, bare.json()) == (200, {"needed": True, "keys": []})

    admin(work)


def test_without_keys_none_is_needed(with_app, tmp_path: Path) -> None:
    """A page that is open to all has nothing to ask for."""

    async def work(app: App) -> None:
        assert (await app.client.get("/admin/key")).json() == {"needed": False, "keys": []}

    def prepare(app: App) -> None:
        releases = Releases(Repository(tmp_path), tmp_path / "state")
        app.rebuild(administration=Administration(releases, app.reloader))

    with_app(work, prepare=prepare)


@pytest.mark.parametrize("step", ["trial", "drop"])
@pytest.mark.parametrize("name", ["metrics", "predict"])
def test_no_clients_key_turns_a_trial(admin, step: str, name: str) -> None:
    """It takes the scope admin, and nothing is changed or logged without it."""

    async def work(app: App, ask, releases: Releases) -> None:
        answer = await ask("POST", f"/admin/models/htru2/{step}", name, json={"version": 2})
        assert answer.status_code == 403
        assert releases.serving("htru2").challenger is None
        assert releases.log.entries() == []

    admin(work)


def test_a_trial_by_request(admin) -> None:
    """It is begun, told of by its own route, answers what it is named for, and is dropped."""

    async def work(app: App, ask, releases: Releases) -> None:
        loader = app.reloader._worker.loader
        challengers = Challengers(app.served_models, app.coordinator, releases, loader)
        body = {"version": 2, "share": 0.25, "sticky": True, "why": "a new seed"}
        begun = await ask("POST", "/admin/models/htru2/trial", json=body)
        assert begun.json() == {
            "model": "htru2", "champion": 1, "challenger": 2, "replaced": None, "warning": None,
        }  # fmt: skip
        await challengers.look()
        told = (await ask("GET", "/health/trials/htru2", "metrics")).json()
        assert (told["kind"], told["share"], told["sticky"], told["auto"]) == (
            "canary",
            0.25,
            True,
            False,
        )
        assert (told["champion"]["version"], told["challenger"]["version"]) == ("1", "2")
        records = bundles.candidates(4).tolist()
        named = {"model": "htru2", "inputs": records, "version": "2"}
        assert (await ask("POST", "/predict", "predict", json=named)).json()["version"] == "2"
        del named["version"]
        versions = {
            (await ask("POST", "/predict", "predict", json=named)).json()["version"] for _ in range(20)
        }
        assert len(versions) == 1  # it sticks to the key
        assert (await ask("GET", "/health/trials", "predict")).status_code == 403
        every = (await ask("GET", "/health/trials", "metrics")).json()["models"]
        assert every["htru2"]["challenger"]["version"] == "2"
        ended = await ask("POST", "/admin/models/htru2/drop", json={"version": 2})
        assert ended.json()["challenger"] is None
        await challengers.look()
        assert (await ask("GET", "/health/trials/htru2", "metrics")).json()["kind"] is None
        again = await ask("POST", "/admin/models/htru2/drop")
        assert again.status_code == 409
        log = [(step.action, step.by, step.why) for step in releases.log.entries()]
        assert log == [
            ("trial", "key:admin", "a new seed"),
            ("drop", "key:admin", "asked for over HTTP"),
        ]

    admin(work)


@pytest.mark.parametrize(
    "body", [{}, {"version": 0}, {"version": 2, "share": 1.0}, {"version": 2, "share": -0.1}]
)
def test_a_trial_that_is_none_is_refused(admin, body: dict[str, object]) -> None:
    """A version is needed, and a share of less than all."""

    async def work(app: App, ask, releases: Releases) -> None:
        answer = await ask("POST", "/admin/models/htru2/trial", json=body)
        assert answer.status_code == 422
        assert releases.serving("htru2").challenger is None

    admin(work)
