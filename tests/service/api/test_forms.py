"""``POST /predict`` with forms: kinds of files, fields, faults, and bodies in pieces of any size."""

import asyncio
import csv
import gzip
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from rdkit import Chem

from service.api.body import reading
from service.api.body.decoding import Limits, Queried
from service.api.body.forms import Form
from service.api.body.spooling import SpoolFile
from service.api.body.uploads import received_table
from service.api.problems import Problem
from service.api.routes.predict import PredictEndpoint
from service.errors import InvalidRequest, MalformedInput, TooLarge
from tests.service.api.routes.test_predict import check_error
from tests.service.api.routes.test_tables import table
from tests.service.conftest import App
from tests.support import bundles

HEADERS = {"content-type": "multipart/form-data; boundary=edge"}
CSV = b"id,smiles\r\n1,CCO\r\n2,CC\r\n"
MOLECULES = ("CCO", "CC")


def sdf() -> bytes:
    """The molecules as an SD file."""
    blocks = (Chem.MolToMolBlock(Chem.MolFromSmiles(smiles)) for smiles in MOLECULES)
    return "".join(f"{block}$$$$\n" for block in blocks).encode()


def parquet() -> bytes:
    """The molecules as Parquet."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    content = io.BytesIO()
    pq.write_table(pa.table({"smiles": MOLECULES}), content)
    return content.getvalue()


#: The same molecules in each kind: a usual file name, its content type, and the content.
KINDS = {
    "csv": ("a.csv", "text/csv", lambda: CSV),
    "tsv": ("a.tsv", "text/tab-separated-values", lambda: CSV.replace(b",", b"\t")),
    "smi": ("a.smi", "chemical/x-daylight-smiles", lambda: b"CCO ethanol\nCC\n"),
    "ndjson": ("a.jsonl", "application/x-ndjson", lambda: b'{"smiles":"CCO"}\n{"smiles":"CC"}\n'),
    "sdf": ("a.SDF", "chemical/x-mdl-sdfile", sdf),
    "parquet": ("a.parquet", "application/vnd.apache.parquet", parquet),
}


@pytest.fixture
def with_molecules(with_app, tmp_path):
    """Return a function that runs a test's work with an application that serves a small tox21, too."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.JUDGED_MOLECULES)
    return with_app


def part(
    content: bytes, name: str = "file", filename: str | None = None, kind: str = "", more: str = ""
) -> bytes:
    """One part of a form, without the boundary before it."""
    said = f'Content-Disposition: form-data; name="{name}"'
    said += f'; filename="{filename}"' if filename is not None else ""
    said += f"\r\nContent-Type: {kind}" if kind else ""
    return f"{said}{more}\r\n\r\n".encode() + content


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(b"--edge\r\n" + each + b"\r\n" for each in parts) + b"--edge--\r\n"


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """Return the content in pieces."""
    return (content[start : start + size] for start in range(0, len(content), size))


async def probabilities(app: App, name: str, kind: str, content: bytes) -> list[float]:
    """Send a file; return a probability of each row, whose status is ok."""
    body = form(part(content, filename=name, kind=kind))
    headers = HEADERS | {"accept": "application/json"}
    answer = await app.client.post("/predict", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [result["probability"]["NR-AR"] for result in answer.json()["results"]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_read_by_its_type_or_else_by_its_name(with_molecules, kind: str) -> None:
    """Compressed or not, under types that say nothing, and under names that say nothing."""
    name, media, made = KINDS[kind]
    content = made()

    async def work(app: App) -> None:
        alone = (await app.predict(smiles=list(MOLECULES))).json()["results"]
        expected = [result["probability"]["NR-AR"] for result in alone]
        for file, said, sent in (
            (name, media, content),
            (name, "", content),
            (name, "application/octet-stream", content),
            (name, "application/vnd.ms-excel", content),
            (name, "text/plain", content),
            ("data", media, content),
            ("a.ndjson" if kind == "smi" else "a.smi", media, content),
            ("data.doc", f"{media}; charset=UTF-8", content),
            (f"{name}.gz", "application/gzip", gzip.compress(content)),
            (f"{name}.GZ", media, gzip.compress(content)),
            (name, "application/x-gzip", gzip.compress(content)),
        ):
            assert await probabilities(app, file, said, sent) == expected, (file, said)
        raw = await app.client.post("/predict", content=content, headers={"content-type": media})
        body = form(part(content, filename=name))
        answer = await app.client.post("/predict", content=body, headers=HEADERS)
        assert answer.content == raw.content
        assert answer.headers["content-type"] == raw.headers["content-type"]

    with_molecules(work)


def test_a_form_of_an_ordinary_client_is_answered(with_molecules) -> None:
    """As httpx writes it, whose guess of the type of ``.csv.gz`` is that of CSV."""

    async def work(app: App) -> None:
        files = {"table": ("a.csv.gz", gzip.compress(CSV), "text/csv")}
        answer = await app.client.post("/predict", files=files, data={"model": "tox21"})
        assert answer.status_code == 200, answer.text
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["id"], row["status"]) for row in rows] == [("1", "ok"), ("2", "ok")]

    with_molecules(work)


def test_fields_mean_what_the_query_means(with_molecules) -> None:
    """Before the file or after it; said in both alike they are no error."""
    rows = table(3).encode()
    whole = part(rows, filename="a.csv")
    odd = part(b"x,smiles\nCCO,?\n[Na+],?\n", filename="a.csv")
    column, lax = part(b"x", "smiles_column"), part(b"ignore", "applicability")
    again = part(b"smiles,status\nCCO,old\n", filename="a.csv")

    async def work(app: App) -> None:
        async def send(*parts: bytes, **query: str) -> list[dict[str, str]]:
            answer = await app.client.post(
                "/predict", params=query, content=form(*parts), headers=HEADERS
            )
            assert answer.status_code == 200, answer.text
            return list(csv.DictReader(io.StringIO(answer.text)))

        expected = await send(whole, model="htru2", version="1")
        assert len(expected) == 3
        model, version = part(b"htru2", "model", kind="text/plain"), part(b"1", "version")
        assert await send(model, version, whole) == expected
        assert await send(whole, model, version) == expected
        assert await send(whole, model, version, model="htru2", version="1") == expected
        assert [row["status"] for row in await send(column, odd)] == ["ok", "not_applicable"]
        judged = await send(column, odd, lax)
        assert [row["probability_NR-AR"] != "" for row in judged] == [True, True]
        (row,) = await send(again, part(b"prefix", "result_columns"))
        assert (row["input_status"], row["status"]) == ("old", "ok")

    with_molecules(work)


FILE = part(CSV, filename="a.csv")


@pytest.mark.parametrize(
    ("parts", "query", "status", "words"),
    [
        ((), {}, 422, "no file"),
        ((part(b"tox21", "model"),), {}, 422, "no file"),
        ((part(b"", filename="", kind="application/octet-stream"),), {}, 422, "no file"),
        ((FILE, FILE), {}, 422, "several files"),
        ((FILE, part(CSV, "other", kind="text/csv")), {}, 422, "several files"),
        ((FILE, part(b"a", "file")), {}, 422, "unknown field 'file'"),
        ((FILE, part(b"a", "colour")), {}, 422, "unknown field 'colour'"),
        ((FILE, part(b"tox21", "model"), part(b"tox21", "model")), {}, 422, "'model' is said twice"),
        ((FILE, part(b"tox21", "model")), {"model": "htru2"}, 422, "'tox21', the query for 'htru2'"),
        ((FILE, part(b"1", "version")), {"version": "2", "model": "htru2"}, 404, "2"),
        ((FILE, part(b"2", "version")), {"version": "1"}, 422, "name one"),
        ((FILE, part(b"judge", "applicability")), {"applicability": "ignore"}, 422, "name one"),
        ((FILE, part(b"x", "smiles_column")), {"smiles_column": "y"}, 422, "name one"),
        ((FILE, part(b"maybe", "applicability")), {}, 422, "'judge' or 'ignore'"),
        ((FILE, part(b"no", "model")), {}, 404, "no model named 'no'"),
        ((FILE, part(b"", "model")), {}, 404, "no model named ''"),
        ((FILE, part(b"7", "version")), {}, 404, "7"),
        ((FILE,), {"model": "no"}, 404, "no model named 'no'"),
        ((FILE, part(b"x" * 4097, "model")), {}, 422, "longer than 4096 bytes"),
        ((FILE, part(b"\xff", "model")), {}, 400, "not UTF-8"),
        ((part(CSV, filename="a.doc"),), {}, 415, "'a.doc'"),
        ((part(CSV, filename="a.json", kind="application/json"),), {}, 415, "application/json"),
        ((part(CSV, filename="a.gz", kind="application/gzip"),), {}, 415, "'a.gz'"),
        ((part(CSV, filename="a.csv", kind="text/csv; charset=utf-16"),), {}, 415, "UTF-8"),
        (
            (part(CSV, filename="a.csv", more="\r\nContent-Transfer-Encoding: base64"),),
            {},
            415,
            "transfer-encoding",
        ),
        ((part(CSV, filename="a.csv", more="\r\nContent-Encoding: gzip"),), {}, 415, "content-encoding"),
        ((part(CSV, filename="a.csv.gz"),), {}, 400, "not compressed by gzip"),
        ((part(gzip.compress(CSV, mtime=0)[:-9], filename="a.csv.gz"),), {}, 400, "not whole"),
        ((part(gzip.compress(CSV, mtime=0), filename="a.csv"),), {}, 400, "compressed by gzip"),
        ((part(b"PK\x03\x04", filename="a.csv"),), {}, 400, "workbook"),
        ((part(b"nothing", filename="a.parquet"),), {}, 400, "not Parquet"),
        ((part(b"a,b\n1,2\n", filename="a.csv"),), {}, 422, "smiles"),
        ((b"Content-Type: text/csv\r\n\r\n" + CSV,), {}, 400, "Content-Disposition"),
        ((b"Content-Disposition: form-data\r\n\r\n" + CSV,), {}, 400, "Content-Disposition"),
        ((b'Content-Disposition: attachment; name="a"\r\n\r\n' + CSV,), {}, 400, "form-data"),
        ((part(CSV, filename="a.csv", kind="text/csv\r\nContent-Type: a/b"),), {}, 400, "two headers"),
        ((part(CSV, filename="a.csv", more=f"\r\nX-Long: {'x' * 5000}"),), {}, 400, "cannot be read"),
        ((part(CSV, filename="a.csv", more="\r\n(nonsense): 1"),), {}, 400, "cannot be read"),
    ],
)
def test_forms_that_cannot_be_answered_say_why(
    with_molecules, parts: tuple[bytes, ...], query: dict, status: int, words: str
) -> None:
    """In the shape of all errors, and the service goes on."""

    async def work(app: App) -> None:
        answer = await app.client.post("/predict", params=query, content=form(*parts), headers=HEADERS)
        check_error(answer, status, words)
        good = await app.client.post("/predict", content=form(FILE), headers=HEADERS)
        assert good.status_code == 200

    with_molecules(work)


@pytest.mark.parametrize(
    ("content_type", "body", "status", "words"),
    [
        ("multipart/form-data", form(FILE), 400, "no boundary"),
        ("multipart/form-data; boundary=", form(FILE), 400, "no boundary"),
        (f"multipart/form-data; boundary={'x' * 300}", form(FILE), 400, "cannot be read"),
        ("multipart/form-data; boundary=other", form(FILE), 400, "cannot be read"),
        ("multipart/form-data; boundary=edge", b"", 400, "before its last boundary"),
        ("multipart/form-data; boundary=edge", CSV, 400, "cannot be read"),
        ("multipart/mixed; boundary=edge", form(FILE), 415, "multipart/form-data"),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    with_molecules, content_type: str, body: bytes, status: int, words: str
) -> None:
    """The boundary is missing, is too long, or is another one."""

    async def work(app: App) -> None:
        headers = {"content-type": content_type}
        answer = await app.client.post("/predict", content=body, headers=headers)
        check_error(answer, status, words)

    with_molecules(work)


def read(*fed: bytes) -> tuple[bytes, dict[str, str]]:
    """Feed a form with pieces; return its file and its fields."""
    with SpoolFile(None) as spool:
        made = Form(b"edge", spool)
        for piece in fed[:-1]:
            made.feed(piece)
        return made.complete(fed[-1]).read(), made.fields


#: A file with what looks like a boundary.
TRICKY = b"a\r\n--edg\r\n--edgy\r\n-\r\r\n--\n--edge\r\n\r"
BODY = form(part(b"htru2", "model"), part(TRICKY, filename="\u00e4.csv"), part(b"1", "version"))


def test_a_form_is_the_same_wherever_it_is_split() -> None:
    """In two pieces at every byte, in pieces of every size up to twenty, and after an epilogue."""
    expected = (TRICKY, {"model": "htru2", "version": "1"})
    assert read(BODY) == expected
    assert read(BODY + b"epilogue") == expected
    for place in range(len(BODY) + 1):
        assert read(BODY[:place], BODY[place:]) == expected, place
    for size in range(1, 21):
        assert read(*pieces(BODY, size)) == expected, size


def test_a_form_that_is_cut_anywhere_is_broken() -> None:
    """Whatever is missing of it, up to the last boundary."""
    for place in range(len(BODY) - len("\r\n")):
        with pytest.raises(Problem) as caught:
            read(BODY[:place])
        assert caught.value.status == 400, place


def test_large_forms_are_kept_in_a_file_up_to_the_limit(with_app, tmp_path, monkeypatch) -> None:
    """In pieces of any size; one byte more than the limit is refused, and nothing stays behind."""
    monkeypatch.setattr(reading, "_GATHERED_BYTES", 1000)
    content = form(part(b"htru2", "model"), part(table(300).encode(), filename="a.csv"))

    async def stream(size: int):
        for piece in pieces(content, size):
            yield piece

    async def work(app: App) -> None:
        for limit, status in ((len(content), 200), (len(content) - 1, 413)):
            app.asgi._direct["POST", "/predict"] = PredictEndpoint(
                app.predictor, Limits(100, 100, limit), tmp_path / "spool"
            )
            for body in (content, stream(777), stream(5000)):
                answer = await app.client.post("/predict", content=body, headers=HEADERS)
                assert answer.status_code == status, answer.text
                if status == 200:
                    assert len(answer.text.splitlines()) == 301
                else:
                    check_error(answer, 413, str(limit))
        assert list((tmp_path / "spool").iterdir()) == []

    with_app(work)


class Sent:
    """A body that a client sends in pieces of a size, as ASGI receives it; counts what was taken."""

    def __init__(self, before: bytes, filler: bytes, count: int, after: bytes) -> None:
        self._messages = self._made(before, filler, count, after)
        self.taken = 0

    def _made(self, before: bytes, filler: bytes, count: int, after: bytes) -> Iterator[dict]:
        for piece in (before, *(filler for _ in range(count))):
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": after, "more_body": False}

    async def receive(self) -> dict:
        """Return the next piece."""
        self.taken += 1
        return next(self._messages)


async def size_of(sent: Sent, limit: int, folder) -> int:
    """Receive a form; return the size of its file."""
    scope = {"headers": [(b"content-type", HEADERS["content-type"].encode())]}
    async with received_table(scope, sent.receive, limit, folder, "form", Queried()) as received:
        return received.file.seek(0, 2)


def test_memory_does_not_grow_with_the_file(tmp_path) -> None:
    """A file of 64 MiB is taken in less than 8 MiB, and so is what a small compressed one contains."""
    mebibytes, line = 64, b"CCO,1234567890\r\n"
    before, after = form(part(b"|", filename="a.csv")).split(b"|")
    packed = gzip.compress(line * (65536 * mebibytes))
    bomb = form(part(packed, filename="a.csv.gz"))
    tracemalloc.start()
    try:
        for sent in (Sent(before, line * 4096, 16 * mebibytes, after), Sent(bomb, b"", 0, b"")):
            tracemalloc.reset_peak()
            begun = tracemalloc.get_traced_memory()[0]
            assert asyncio.run(size_of(sent, 1 << 30, tmp_path)) == mebibytes << 20
            assert tracemalloc.get_traced_memory()[1] - begun < 8 << 20
        with pytest.raises(TooLarge, match="decompressed"):
            asyncio.run(size_of(Sent(bomb, b"", 0, b""), (mebibytes << 20) - 1, tmp_path))
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("beginning", "error"),
    [
        (form(part(b"", filename="a.doc")), Problem),
        (form(FILE, FILE), InvalidRequest),
        (b"nonsense", Problem),
    ],
)
def test_a_client_is_read_on_before_it_is_refused(tmp_path, beginning: bytes, error: type) -> None:
    """It would see a reset connection in place of the error; nothing more is kept."""
    sent = Sent(beginning, b"x" * (1 << 20), 10, b"")
    with pytest.raises(error):
        asyncio.run(size_of(sent, 1 << 30, tmp_path))
    assert sent.taken == 12


def test_a_damaged_file_is_malformed(tmp_path) -> None:
    """Where the damage is seen only after the first mebibyte."""
    packed = bytearray(gzip.compress(bytes(range(256)) * 20_000))
    packed[-6] ^= 1
    body = form(part(bytes(packed), filename="a.csv.gz"))
    with pytest.raises(MalformedInput, match="the file: it is not whole"):
        asyncio.run(size_of(Sent(body, b"", 0, b""), 1 << 30, tmp_path))
