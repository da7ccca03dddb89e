"""The dashboard's files, its policy, and the two routes that it alone needs."""

import asyncio
import re
import sys
from time import monotonic, sleep
from xml.etree import ElementTree

import pytest

from service.api.routes import molecule_svg
from service.api.routes.molecule_svg import MAX_HEAVY_ATOMS, MoleculeDrawer, svg_of
from service.errors import InvalidRequest, Overloaded
from tests.service.conftest import App
from tests.support import bundles

SVG = "{http://www.w3.org/2000/svg}"


def test_all_that_the_page_names_is_there_and_nothing_comes_from_elsewhere(with_app) -> None:
    """Scripts, styles and what scripts import are served with their types; no address has a host."""

    async def work(app: App) -> None:
        page = await app.client.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        wanted = set(re.findall(r'(?:src|href)="(web/[^"]+)"', page.text))
        assert {"web/app.js", "web/style.css", "web/theme.js"} <= wanted
        seen: set[str] = set()
        while wanted - seen:
            name = (wanted - seen).pop()
            seen.add(name)
            answer = await app.client.get(f"/{name}")
            assert answer.status_code == 200, name
            assert answer.headers["x-content-type-options"] == "nosniff"
            kind = {
                "js": "text/javascript",
                "css": "text/css",
                "svg": "image/svg+xml",
                "html": "text/html",
            }
            assert answer.headers["content-type"].startswith(kind[name.rpartition(".")[2]])
            wanted |= {f"web/{found}" for found in re.findall(r'from "\./([^"]+)"', answer.text)}
            if "vendor" not in name:
                assert set(re.findall(r"https?://[^\"' ]+", answer.text)) <= {SVG[1:-1]}, name
        assert "web/csv.js" in seen
        assert "://" not in page.text

    with_app(work)


def test_the_policy_allows_no_inline_script_or_style(with_app) -> None:
    """The page keeps to what its own policy says."""

    async def work(app: App) -> None:
        page = await app.client.get("/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page.text)

    with_app(work)


def test_a_file_that_has_not_changed_is_not_sent_again(with_app) -> None:
    """The tag of an answer makes the next one empty; packing is as the client asks."""

    async def work(app: App) -> None:
        first = await app.client.get("/web/style.css", headers={"accept-encoding": "gzip"})
        assert first.headers["content-encoding"] == "gzip"
        plain = await app.client.get("/web/style.css", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.text == first.text
        same = await app.client.get("/web/style.css", headers={"if-none-match": first.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        other = await app.client.get("/web/style.css", headers={"if-none-match": '"other"'})
        assert other.status_code == 200

    with_app(work)


@pytest.mark.parametrize(
    "path",
    [
        "../main.py",
        "%2e%2e/main.py",
        "..%2fmain.py",
        "nothing.js",
        "",
        "vendor",
        "/etc/passwd",
        "%00",
        "a" * 400,
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_folder(with_app, path: str) -> None:
    """Whatever is no file of the page is 404 in the service's shape."""

    async def work(app: App) -> None:
        answer = await app.client.get(f"/web/{path}")
        assert answer.status_code == 404
        assert set(answer.json()) == {"error", "code", "request_id"}

    with_app(work)


def test_models_tell_what_a_form_needs(with_app) -> None:
    """Columns, targets and thresholds of what is served."""

    async def work(app: App) -> None:
        [about] = (await app.client.get("/models")).json()["models"]
        assert (about["model"], about["version"]) == ("htru2", "1")
        assert [column["name"] for column in about["columns"]][:2] == ["profile_mean", "profile_stdev"]
        assert about["columns"][0]["kind"] == "number"
        assert about["targets"] == [{"name": "pulsar", "threshold": 0.5}]
        assert (about["members"], about["widths"]) == (bundles.MEMBERS, list(bundles.WIDTHS))

    with_app(work)


@pytest.mark.parametrize(
    ("smiles", "parent", "expected"),
    [
        ("OCC", "CCO", "0"),
        ("C[C@H](N)C(=O)O", "CC(N)C(=O)O", "0"),
        ("[2H]C([2H])([2H])O", "CO", "0"),
        ("[H]OC", "CO", "0"),
        ("CC(=O)O[Na]", "CC(=O)O", "1"),
        ("CC(O)=Nc1ccccc1", "CC(=O)Nc1ccccc1", "1"),
        ("CCO", None, None),
    ],
)
def test_a_picture_tells_whether_the_parent_is_another(with_app, smiles, parent, expected) -> None:
    """By its graph: stereo, isotopes and the order of the atoms do not count."""

    async def work(app: App) -> None:
        answer = await app.client.post("/molecule.svg", json={"smiles": smiles, "parent": parent})
        assert answer.status_code == 200
        assert answer.headers.get("x-parent-differs") == expected

    with_app(work)


def test_a_molecule_is_drawn(with_app) -> None:
    """The answer is an SVG without scripts, which may load nothing."""

    async def work(app: App) -> None:
        answer = await app.client.post("/molecule.svg", json={"smiles": "c1ccccc1O"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        root = ElementTree.fromstring(answer.text)
        assert root.tag == f"{SVG}svg"
        assert not root.findall(f".//{SVG}script")
        assert len(root.findall(f".//{SVG}path")) >= 7  # six bonds of the ring, one to the oxygen

    with_app(work)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ('{"smiles": "CC[Na"}', 422, "not a valid SMILES"),
        ('{"smiles": ""}', 422, "empty"),
        ('{"smiles": "CC*"}', 422, "wildcard"),
        ('{"smiles": "%s"}' % ("C" * (MAX_HEAVY_ATOMS + 1)), 422, "heavy atoms"),
        ('{"smiles": "%s"}' % ("C" * 3000), 422, "characters"),
        ('{"smiles": 3}', 422, "wrong shape"),
        ("{}", 422, "wrong shape"),
        ('{"smiles": "CC', 400, "not JSON"),
        ('{"smiles": "%s"}' % ("C" * 20_000), 413, "larger than"),
    ],
)
def test_what_is_not_drawn_says_why(with_app, body: str, status: int, words: str) -> None:
    """Errors have the service's shape, and repeat no SMILES."""

    async def work(app: App) -> None:
        headers = {"content-type": "application/json"}
        answer = await app.client.post("/molecule.svg", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        document = answer.json()
        assert set(document) == {"error", "code", "request_id"}
        assert words in document["error"]

    with_app(work)


def test_without_its_libraries_only_the_picture_is_missing(
    monkeypatch: pytest.MonkeyPatch, with_app
) -> None:
    """A machine without X11's libraries says so when a picture is asked for, and serves all else."""
    for name in [name for name in sys.modules if name.startswith("rdkit.Chem.Draw")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Draw.rdMolDraw2D", None)

    async def ask(app: App) -> None:
        answer = await app.client.post("/molecule.svg", json={"smiles": "CCO"})
        assert answer.status_code == 503
        assert "cannot be drawn on this machine" in answer.json()["error"]

    with_app(ask)


def test_a_salt_is_drawn_as_it_was_written() -> None:
    """The acid that the prediction leaves out is in the picture."""
    assert svg_of("CCN.Cl").count("<path") > svg_of("CCN").count("<path")


def test_a_dark_page_gets_light_bonds() -> None:
    """The two pictures differ in their colours alone."""
    light, dark = svg_of("CCO"), svg_of("CCO", dark=True)
    assert "#000000" in light.upper()
    assert "#000000" not in dark.upper()


def test_few_drawings_wait(monkeypatch: pytest.MonkeyPatch, with_app) -> None:
    """Beyond the most there is an error that says when to come back."""
    monkeypatch.setattr(molecule_svg, "_MOST_WAITING", 0)

    async def work(app: App) -> None:
        with pytest.raises(Overloaded):
            await MoleculeDrawer().draw("CCO")
        answer = await app.client.post("/molecule.svg", json={"smiles": "CCO"})
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"

    with_app(work)


def test_a_picture_does_not_wait_for_the_rest_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread rests once a picture is delivered; the next picture waits for that rest."""
    monkeypatch.setattr(molecule_svg, "_REST", 1.0)
    monkeypatch.setattr(molecule_svg, "svg_of", lambda *_, **__: sleep(0.3) or "<svg/>")

    async def work() -> None:
        drawer = MoleculeDrawer()
        started = monotonic()
        await drawer.draw("CCO")
        assert 0.3 <= monotonic() - started < 0.5
        await drawer.draw("CCO")
        assert monotonic() - started >= 0.9

    asyncio.run(work())


def test_head_is_answered_as_get_is(with_app) -> None:
    """Pages and files answer HEAD with the headers of GET and no body."""

    async def work(app: App) -> None:
        for path in ("/", "/web/app.js", "/favicon.ico"):
            got, head = await app.client.get(path), await app.client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            for name in ("content-security-policy", "content-type", "etag", "cache-control"):
                assert head.headers[name] == got.headers[name]

    with_app(work)


def test_every_made_molecule_is_drawn() -> None:
    """What predictions take, pictures take."""
    for smiles in (*bundles.SMILES, "[Na+].[Cl-].CCO", "C[C@H](N)C(=O)O", "[2H]C", "c1cc[n]c1"):
        try:
            ElementTree.fromstring(svg_of(smiles))
        except InvalidRequest:
            assert smiles == "c1cc[n]c1"
