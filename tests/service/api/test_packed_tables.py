"""Workbooks, zip archives and ARFF as bodies and as files of a form; what they unpack to is bounded."""

import io
import zipfile

import pytest

from models.features.tabular.pulsar import NAMES
from tests.service.conftest import App
from tests.support import bundles

ROWS = bundles.candidates(3).tolist()
CSV = "\n".join([",".join(["name", *NAMES]), *(",".join(["J1", *map(str, row)]) for row in ROWS)])
ARFF = "@relation r\n" + "".join(f"@attribute {name} numeric\n" for name in NAMES) + "@data\n"
ARFF += "".join(",".join(map(str, row)) + "%J1\n" for row in ROWS)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def workbook() -> bytes:
    """The candidates as a workbook."""
    book = pytest.importorskip("openpyxl").Workbook()
    for row in [["name", *NAMES], *(["J1", *row] for row in ROWS)]:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def archive(**members: bytes | str) -> bytes:
    """A zip archive of members, by their names without the point."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name.replace("_", "."), member)
    return content.getvalue()


CASES = {
    "t.xlsx": (XLSX, workbook),
    "t.zip": ("application/zip", lambda: archive(t_csv=CSV)),
    "t.arff": ("application/x-arff", ARFF.encode),
    "arff.zip": ("application/zip", lambda: archive(t_arff=ARFF, readme_md="x")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_packed_table_is_answered_as_a_plain_one(with_app, name: str) -> None:
    """As the body with its type, and as the file of a form by its name."""
    media, make = CASES[name]
    content = make()

    async def work(app: App) -> None:
        expected = [
            result["probability"]
            for result in (await app.predict(model="htru2", inputs=ROWS)).json()["results"]
        ]
        wanted = {"accept": "application/json"}
        body = await app.client.post(
            "/predict?model=htru2", content=content, headers={"content-type": media} | wanted
        )
        form = await app.client.post(
            "/predict", files={"file": (name, content)}, data={"model": "htru2"}, headers=wanted
        )
        for answer in (body, form):
            assert answer.status_code == 200, answer.text
            results = answer.json()["results"]
            assert [result["probability"] for result in results] == expected
            assert {result.get("name", result.get("candidate")) for result in results} == {"J1"}

    with_app(work)


@pytest.mark.parametrize(
    ("media", "content", "status", "words"),
    [
        ("application/zip", archive(a_csv="x", b_csv="x"), 422, "2 tables: a.csv, b.csv"),
        ("application/zip", archive(a_md="x"), 422, "holds no table"),
        ("application/zip", b"PK\x03\x04", 422, "no zip archive"),
        ("application/zip", archive(a_csv=b"x" * (3 << 20)), 413, "larger than 2097152 bytes"),
        (XLSX, b"x", 400, "no workbook"),
        (XLSX, archive(a_md="x"), 400, "no workbook that can be read"),
        ("application/x-arff", b"a,b\n1,2\n", 400, "it is no ARFF"),
        ("application/x-arff", b"@relation r\n@attribute a numeric\n", 400, "no @data line"),
    ],
)
def test_what_is_no_table_is_told(with_app, media: str, content: bytes, status: int, words: str) -> None:
    """A bomb is 413, and none of them a failure of the service."""
    pytest.importorskip("openpyxl")

    async def work(app: App) -> None:
        answer = await app.client.post(
            "/predict?model=htru2", content=content, headers={"content-type": media}
        )
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]

    with_app(work, max_stream_bytes=2 << 20)


def test_a_workbook_that_unpacks_to_too_much_is_refused(with_app, monkeypatch) -> None:
    """Before any of it is parsed."""
    monkeypatch.setattr("service.tables.files._WORKBOOK_BYTES", 1000)

    async def work(app: App) -> None:
        answer = await app.client.post(
            "/predict?model=htru2", content=workbook(), headers={"content-type": XLSX}
        )
        assert answer.status_code == 400
        assert "unpacks to more than 1,000 bytes" in answer.json()["error"]

    with_app(work)
