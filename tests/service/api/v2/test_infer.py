"""``POST /v2/models/{model}/infer``: tensors as JSON and as bytes, and what bad input gets."""

import gzip
import json
import math
import zlib

import httpx
import numpy as np
import pytest

from service.inference.backend.device import Device
from service.inference.backend.onnx_session import Session
from tests.service.conftest import MAX_BYTES, MAX_ROWS, App
from tests.support import bundles

HEADER = "inference-header-content-length"
URL = "/v2/models/htru2/infer"
OUTPUTS = ["probability", "logit", "taps"]


def tensor(rows: np.ndarray, datatype: str = "FP32", **fields: object) -> dict:
    """An input as JSON, nested."""
    plain = {"name": "features", "shape": list(rows.shape), "datatype": datatype, "data": rows.tolist()}
    return plain | fields


def binary(
    rows: bytes, shape: list[int], datatype: str = "FP32", **fields: object
) -> tuple[bytes, dict]:
    """A body of one binary tensor, and its headers; ``fields`` join the JSON."""
    parameters = {"binary_data_size": len(rows)}
    declared = {"name": "features", "shape": shape, "datatype": datatype, "parameters": parameters}
    header = json.dumps({"inputs": [declared]} | fields).encode()
    return header + rows, {HEADER: str(len(header))}


async def infer(app: App, body: object, headers: dict | None = None, url: str = URL) -> httpx.Response:
    """Post a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await app.client.post(url, content=content, headers=headers or {})


def read_binary(answer: httpx.Response) -> dict[str, np.ndarray]:
    """Read an answer whose every output is a binary tensor."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[HEADER])
    rest, outputs = answer.content[length:], {}
    for output in json.loads(answer.content[:length])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        outputs[output["name"]] = np.frombuffer(rest[:size], "<f4").reshape(output["shape"])
        rest = rest[size:]
    assert not rest
    return outputs


def read_json(answer: httpx.Response) -> dict[str, np.ndarray]:
    """Read an answer of JSON alone."""
    assert answer.status_code == 200, answer.text
    assert HEADER not in answer.headers
    return {
        output["name"]: np.array(output["data"], np.float32).reshape(output["shape"])
        for output in answer.json()["outputs"]
    }


def check_error(answer: httpx.Response, status: int, *words: str) -> None:
    """Check that an error has the protocol's shape, and its sentence these words."""
    assert answer.status_code == status, answer.text[:300]
    for word in words:
        assert word in answer.json()["error"]


def check_outputs(outputs: dict[str, np.ndarray], rows: np.ndarray, names: list[str]) -> None:
    """Compare with onnxruntime asked directly."""
    assert list(outputs) == names
    expected = bundles.run(bundles.graph(), rows)
    for name in names:
        assert outputs[name].shape == expected[name].shape
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-5, atol=1e-6)


def test_json_in_and_out(with_app) -> None:
    """Nested and flat data give every output, flat, with the model's name, its version and the id."""
    rows = bundles.candidates(300)

    async def work(app: App) -> None:
        answer = await infer(app, {"id": "an id", "inputs": [tensor(rows)]})
        assert answer.headers["content-type"] == "application/json"
        document = answer.json()
        told = (document["model_name"], document["model_version"], document["id"])
        assert told == ("htru2", "1", "an id")
        check_outputs(read_json(answer), rows, OUTPUTS)
        flat = await infer(app, {"inputs": [tensor(rows, data=rows.ravel().tolist())]})
        assert "id" not in flat.json()
        assert flat.json()["outputs"] == document["outputs"]

    with_app(work)


def test_json_brings_back_the_very_float32(with_app) -> None:
    """An output read from JSON has the same bits as the one read from a binary tensor."""
    rows = bundles.candidates(50)

    async def work(app: App) -> None:
        as_json = read_json(await infer(app, {"inputs": [tensor(rows)]}))
        asked = {"inputs": [tensor(rows)], "parameters": {"binary_data_output": True}}
        as_bytes = read_binary(await infer(app, asked))
        for name in OUTPUTS:
            np.testing.assert_array_equal(as_json[name], as_bytes[name])

    with_app(work)


def test_binary_in_and_out(with_app) -> None:
    """A binary tensor is read wherever the JSON before it ends; outputs come back as asked."""
    rows = bundles.candidates(256)

    async def work(app: App) -> None:
        for padding in range(4):  # the tensor begins at every alignment
            body, headers = binary(
                rows.tobytes(), [256, 8], id="x" * padding, parameters={"binary_data_output": True}
            )
            check_outputs(read_binary(await infer(app, body, headers)), rows, OUTPUTS)
        body, headers = binary(rows.tobytes(), [256, 8])
        check_outputs(read_json(await infer(app, body, headers)), rows, OUTPUTS)

    with_app(work)


def test_requested_outputs_come_in_their_order_each_in_its_form(with_app) -> None:
    """``binary_data`` of an output goes before ``binary_data_output`` of the request."""
    rows = bundles.candidates(5)

    async def work(app: App) -> None:
        asked = [{"name": "taps", "parameters": {"binary_data": False}}, {"name": "probability"}]
        body = {"inputs": [tensor(rows)], "outputs": asked, "parameters": {"binary_data_output": True}}
        answer = await infer(app, body)
        length = int(answer.headers[HEADER])
        taps, probability = json.loads(answer.content[:length])["outputs"]
        assert (taps["name"], len(taps["data"])) == ("taps", 5 * 2 * 3 * 3)
        assert probability["parameters"] == {"binary_data_size": 20}
        assert "data" not in probability
        expected = bundles.run(bundles.graph(), rows)["probability"]
        found = np.frombuffer(answer.content[length:], "<f4").reshape(5, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    with_app(work)


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP16", "<f2"), ("FP64", "<f8"), ("INT8", "<i1"), ("INT16", "<i2"), ("INT32", "<i4"),
     ("INT64", "<i8"), ("UINT8", "<u1"), ("UINT16", "<u2"), ("UINT32", "<u4"), ("UINT64", "<u8")],
)  # fmt: skip
def test_numbers_of_any_width_are_taken(with_app, datatype: str, dtype: str) -> None:
    """Every numeric datatype gives what FP32 gives for the same numbers, as JSON and as bytes."""
    rows = np.abs(bundles.candidates(7)).clip(0, 127).astype(dtype)
    plain = rows.astype(np.float32)

    async def work(app: App) -> None:
        check_outputs(read_json(await infer(app, {"inputs": [tensor(rows, datatype)]})), plain, OUTPUTS)
        body, headers = binary(rows.tobytes(), [7, 8], datatype)
        check_outputs(read_json(await infer(app, body, headers)), plain, OUTPUTS)

    with_app(work)


def test_bfloat16_is_the_upper_half_of_a_float32(with_app) -> None:
    """BF16, which numpy lacks, is widened as Triton's clients narrow it."""
    rows = bundles.candidates(7)
    narrow = (rows.view(np.uint32) >> 16).astype("<u2")
    widened = (narrow.astype(np.uint32) << 16).view(np.float32)

    async def work(app: App) -> None:
        body, headers = binary(narrow.tobytes(), [7, 8], "BF16")
        check_outputs(read_json(await infer(app, body, headers)), widened, OUTPUTS)

    with_app(work)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate"])
def test_compressed_bodies(with_app, coding: str) -> None:
    """The header's length counts decompressed bytes; deflate comes with and without its wrapper."""
    rows = bundles.candidates(64)
    pack = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "raw deflate": lambda content: zlib.compress(content, wbits=-15),
    }[coding]

    async def work(app: App) -> None:
        body, headers = binary(rows.tobytes(), [64, 8])
        headers["content-encoding"] = coding.removeprefix("raw ")
        check_outputs(read_json(await infer(app, pack(body), headers)), rows, OUTPUTS)

    with_app(work)


@pytest.mark.parametrize(
    ("accept", "coding"),
    [("gzip", "gzip"), ("deflate", "deflate"), ("br, deflate;q=0.5, gzip", "deflate"),
     ("gzip;q=0, deflate", "deflate"), ("identity", None), ("gzip;q=0.000", None), ("br", None)],
)  # fmt: skip
def test_compressed_answers(with_app, accept: str, coding: str | None) -> None:
    """An answer worth it is compressed as ``Accept-Encoding`` asks; a small one never is."""
    rows = bundles.candidates(300)

    async def work(app: App) -> None:
        body, headers = binary(rows.tobytes(), [300, 8], parameters={"binary_data_output": True})
        answer = await infer(app, body, headers | {"accept-encoding": accept})
        assert answer.headers.get("content-encoding") == coding
        check_outputs(read_binary(answer), rows, OUTPUTS)
        small = await infer(app, {"inputs": [tensor(rows[:1])]}, {"accept-encoding": accept})
        assert "content-encoding" not in small.headers

    with_app(work)


def test_smiles_as_bytes(with_app, tmp_path) -> None:
    """SMILES are BYTES of shape [n] or [n, 1], as strings or as lengths and bytes, with one answer."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)
    smiles = ["CCO", "c1ccccc1O", "CC(=O)O"]
    packed = b"".join(len(each).to_bytes(4, "little") + each.encode() for each in smiles)
    url = "/v2/models/tox21/infer"

    async def work(app: App) -> None:
        plain = await infer(
            app,
            {"inputs": [{"name": "smiles", "shape": [3], "datatype": "BYTES", "data": smiles}]},
            url=url,
        )
        outputs = read_json(plain)
        assert outputs["probability"].shape == (3, 12)
        direct = (await app.predict(smiles=smiles)).json()["results"]
        shown = [list(result["probability"].values()) for result in direct]
        np.testing.assert_allclose(outputs["probability"], shown, atol=1e-6)
        for shape, data in (([3, 1], [[each] for each in smiles]), ([3, 1], smiles)):
            declared = {"name": "smiles", "shape": shape, "datatype": "BYTES", "data": data}
            assert (await infer(app, {"inputs": [declared]}, url=url)).json() == plain.json()
        for shape in ([3], [3, 1]):
            parameters = {"binary_data_size": len(packed)}
            declared = {"name": "smiles", "shape": shape, "datatype": "BYTES", "parameters": parameters}
            header = json.dumps({"inputs": [declared]}).encode()
            answer = await infer(app, header + packed, {HEADER: str(len(header))}, url)
            assert answer.json() == plain.json()

    with_app(work)


def test_every_molecule_that_cannot_be_read_is_named(with_app, tmp_path) -> None:
    """The protocol has no error per row, so the request is refused, and all the places are told."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App) -> None:
        declared = {"name": "smiles", "shape": [4], "datatype": "BYTES", "data": ["CCO", "C(", "CC", ""]}
        answer = await infer(app, {"inputs": [declared]}, url="/v2/models/tox21/infer")
        check_error(answer, 400, "2 of 4 records", "index 1: ", "index 3: ", "as a whole")
        everything = {"name": "smiles", "shape": [500], "datatype": "BYTES", "data": ["C("] * 500}
        answer = await infer(app, {"inputs": [everything]}, url="/v2/models/tox21/infer")
        check_error(answer, 400, "500 of 500", "and index 8, 9, ", ", 99 and 400 more")
        assert len(answer.json()["error"]) < 3000

    with_app(work)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_named(with_app, value: float) -> None:
    """NaN and infinities are refused with their row and feature, from JSON and from bytes."""
    rows = bundles.candidates(6)
    rows[4, 2] = value

    async def work(app: App) -> None:
        words = ("1 of 6 records", "index 4: feature profile_skewness")
        check_error(await infer(app, {"inputs": [tensor(rows)]}), 400, *words)
        check_error(await infer(app, *binary(rows.tobytes(), [6, 8])), 400, *words)

    with_app(work)


def test_numbers_beyond_32_bits_are_named(with_app) -> None:
    """What FP32 cannot hold is told from an infinity, and 1e999 is read as JSON's readers do."""
    rows = bundles.candidates(2).astype(np.float64)
    rows[1, 0] = 1e300

    async def work(app: App) -> None:
        answer = await infer(app, {"inputs": [tensor(rows, "FP64")]})
        check_error(answer, 400, "index 1: feature profile_mean", "beyond a 32-bit float")
        text = json.dumps({"inputs": [tensor(rows)]}).replace("1e+300", "1e999")
        check_error(await infer(app, text.encode()), 400, "index 1: feature profile_mean", "inf")

    with_app(work)


GOOD = tensor(np.ones((1, 8), np.float32))


MALFORMED: list[tuple[object, list[str]]] = [
    (b"", ["not JSON"]),
    (b"[]", ["wrong shape"]),
    (b"{}", ["inputs"]),
    (b"\xff", ["not JSON"]),
    (b'{"inputs": [{"name": "\xff"}]}', ["not JSON"]),
    (b"[" * 50_000, ["wrong shape"]),
    (b'{"inputs": [{"data": ' + b"[" * 50_000, ["too deep"]),
    (b'{"inputs": ' + b"[" * 50_000, ["wrong shape"]),
    ({"inputs": []}, ["'features' is missing"]),
    ({"inputs": [GOOD, GOOD]}, ["given 2 times"]),
    ({"inputs": [GOOD | {"name": "input_0"}]}, ["no input 'input_0'", "'features'"]),
    ({"inputs": [GOOD | {"datatype": "FP33"}]}, ["no datatype 'FP33'", "FP32"]),
    ({"inputs": [GOOD | {"datatype": "BYTES"}]}, ["BYTES", "FP32"]),
    ({"inputs": [GOOD | {"datatype": "BOOL"}]}, ["BOOL"]),
    ({"inputs": [GOOD | {"shape": [8]}]}, ["[8]", "[-1,8]"]),
    ({"inputs": [GOOD | {"shape": [1, 1, 8]}]}, ["[1,1,8]"]),
    ({"inputs": [GOOD | {"shape": [1, 9]}]}, ["[1,9]"]),
    ({"inputs": [GOOD | {"shape": []}]}, ["[]"]),
    ({"inputs": [GOOD | {"shape": [1] * 100}]}, ["…"]),
    ({"inputs": [GOOD | {"shape": [-1, 8]}]}, ["-1 rows"]),
    ({"inputs": [GOOD | {"shape": [0, 8], "data": []}]}, ["0 rows"]),
    ({"inputs": [GOOD | {"shape": [2, 8]}]}, ["2 lists of 8"]),
    ({"inputs": [GOOD | {"shape": [2, 8], "data": [1.0] * 8}]}, ["8 elements", "16"]),
    ({"inputs": [GOOD | {"shape": [10**30, 8]}]}, ["shape"]),
    ({"inputs": [GOOD | {"shape": [1.5, 8]}]}, ["shape"]),
    ({"inputs": [GOOD | {"shape": [True, 8]}]}, ["shape"]),
    ({"inputs": [GOOD | {"shape": None}]}, ["shape"]),
    ({"inputs": [GOOD | {"data": [[1, 2, 3, 4, 5, 6, 7, [8]]]}]}, ["index 7", "not a number"]),
    ({"inputs": [GOOD | {"data": [1, 2, 3, 4, 5, 6, 7, "8"]}]}, ["index 7", "not a number"]),
    ({"inputs": [GOOD | {"data": [1, 2, 3, 4, 5, 6, 7, True]}]}, ["index 7", "not a number"]),
    ({"inputs": [GOOD | {"data": [1, 2, 3, 4, 5, 6, 7, None]}]}, ["index 7", "not a number"]),
    ({"inputs": [GOOD | {"data": [[1] * 4, [1] * 4]}]}, ["nested"]),
    ({"inputs": [GOOD | {"data": [[1] * 7, 1]}]}, ["nested"]),
    ({"inputs": [GOOD | {"data": "12345678"}]}, ["data"]),
    ({"inputs": [GOOD | {"data": None}]}, ["data"]),
    ({"inputs": [GOOD | {"data": [10**400] * 8}]}, ["FP32"]),
    ({"inputs": [GOOD | {"datatype": "INT8", "data": [300] * 8}]}, ["INT8"]),
    ({"inputs": [GOOD | {"datatype": "UINT32", "data": [-1] * 8}]}, ["UINT32"]),
    ({"inputs": [GOOD | {"datatype": "INT64", "data": [0.5] * 8}]}, ["INT64"]),
    ({"inputs": [{"name": "features", "shape": [1, 8], "datatype": "FP32"}]}, ["neither"]),
    ({"inputs": [GOOD], "outputs": [{"name": "labels"}]}, ["'labels'", "probability"]),
    ({"inputs": [GOOD], "outputs": [{"name": "taps"}] * 2}, ["'taps'", "twice"]),
    ({"inputs": [GOOD], "outputs": [{"name": "taps", "parameters": {"binary_data": 1}}]},
     ["binary_data"]),
    ({"inputs": [GOOD], "outputs": [{"name": "taps", "parameters": {"classification": 2}}]},
     ["classification"]),
    ({"inputs": [GOOD | {"parameters": {"shared_memory_region": "r"}}]}, ["shared_memory_region"]),
    ({"inputs": [GOOD], "parameters": {"binary_data_output": "yes"}}, ["binary_data_output"]),
    ({"inputs": [GOOD], "parameters": 1}, ["parameters"]),
    ({"inputs": [GOOD], "id": 7}, ["id"]),
    ({"inputs": [GOOD | {"parameters": {"binary_data_size": 0}}]}, ["both"]),
    ({"inputs": [GOOD | {"parameters": {"binary_data_size": 4}}]}, ["0 bytes follow"]),
]  # fmt: skip


def test_malformed_requests(with_app) -> None:
    """Each is refused with 400 and a sentence that says what is wrong; the next one is answered."""

    async def work(app: App) -> None:
        for body, words in MALFORMED:
            check_error(await infer(app, body), 400, *words)
        assert (await infer(app, {"inputs": [GOOD]})).status_code == 200

    with_app(work)


ROWS = np.ones((2, 8), np.float32).tobytes()


LIES: list[tuple[object, list[int], bytes, list[str]]] = [
    (64, [2, 8], ROWS[:-1], ["63 bytes follow", "binary_data_size is 64"]),
    (64, [2, 8], ROWS + b"x", ["65 bytes follow", "binary_data_size is 64"]),
    (63, [2, 8], ROWS[:-1], ["63 bytes of binary data", "16 elements of 4"]),
    (64, [1, 8], ROWS, ["64 bytes of binary data", "8 elements"]),
    (64, [3, 8], ROWS, ["24 elements"]),
    (64, [-2, 8], ROWS, ["-2 rows"]),
    (-64, [2, 8], ROWS, ["binary_data_size"]),
    (64.0, [2, 8], ROWS, ["binary_data_size"]),
    (True, [2, 8], ROWS, ["binary_data_size"]),
    ("64", [2, 8], ROWS, ["binary_data_size"]),
    (10**30, [2, 8], ROWS, ["binary_data_size"]),
    (0, [2, 8], b"", ["0 bytes of binary data"]),
    (None, [2, 8], ROWS, ["64 bytes follow", "no binary_data_size"]),
]


def test_lying_sizes_and_shapes(with_app) -> None:
    """What is claimed of a binary tensor is compared with what is there, before anything is made."""

    async def work(app: App) -> None:
        for size, shape, rows, words in LIES:
            parameters = {"binary_data_size": size}
            declared = {"name": "features", "shape": shape, "datatype": "FP32", "parameters": parameters}
            header = json.dumps({"inputs": [declared]}).encode()
            check_error(await infer(app, header + rows, {HEADER: str(len(header))}), 400, *words)

    with_app(work)


def test_a_wrong_header_length(with_app) -> None:
    """A length that cuts the JSON, runs into the tensor or ends beyond the body is refused."""

    async def work(app: App) -> None:
        for change in (-1, 1, 64, 65, 10_000):
            body, headers = binary(ROWS, [2, 8])
            headers[HEADER] = str(int(headers[HEADER]) + change)
            check_error(await infer(app, body, headers), 400)

    with_app(work)


def test_a_header_length_that_is_no_number(with_app) -> None:
    """Only digits count as a length, and only one length."""

    async def work(app: App) -> None:
        for value in ("", "-1", "+5", "1e3", "5.0", "0x10", "9" * 5000, "²"):
            answer = await infer(app, {"inputs": [GOOD]}, {HEADER: value.encode("latin-1")})
            check_error(answer, 400, "Inference-Header-Content-Length")
        headers = [(HEADER, "5"), (HEADER, "6")]
        answer = await app.client.post(URL, content=b"{}", headers=headers)
        check_error(answer, 400, "Inference-Header-Content-Length")

    with_app(work)


def test_too_much(with_app) -> None:
    """Too many rows, too many bytes and a small body that would become many bytes are each 413."""
    rows = np.ones((MAX_ROWS + 1, 8), np.float32)

    async def work(app: App) -> None:
        check_error(await infer(app, *binary(rows.tobytes(), [MAX_ROWS + 1, 8])), 413, str(MAX_ROWS))
        check_error(await infer(app, *binary(ROWS, [2**40, 8])), 413, str(MAX_ROWS))
        check_error(await infer(app, b"x" * (MAX_BYTES + 1)), 413, str(MAX_BYTES))
        for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            bomb = pack(bytes(50_000_000))
            assert len(bomb) < MAX_BYTES
            check_error(await infer(app, bomb, {"content-encoding": coding}), 413, "decompressed")

    with_app(work)


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", b"", 415),
        ("gzip, gzip", b"", 415),
        ("gzip", b"not gzip", 400),
        ("gzip", b"", 400),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], 400),
        ("gzip", gzip.compress(b"{}", mtime=0) * 2, 400),
        ("deflate", b"\x78\x9c nothing", 400),
        ("identity", b"{}", 400),
    ],
)
def test_bad_encodings(with_app, coding: str, body: bytes, status: int) -> None:
    """An unknown coding is 415; a body that is not of the coding it says is 400."""

    async def work(app: App) -> None:
        check_error(await infer(app, body, {"content-encoding": coding}), status)

    with_app(work)


def test_versions_and_unknown_models(with_app) -> None:
    """The loaded version may be named; another is 404 and the error says which there is."""

    async def work(app: App) -> None:
        body = {"inputs": [GOOD]}
        at_version = await infer(app, body, url="/v2/models/htru2/versions/1/infer")
        assert at_version.json() == (await infer(app, body)).json()
        for version in ("2", "01", "x"):
            answer = await infer(app, body, url=f"/v2/models/htru2/versions/{version}/infer")
            check_error(answer, 404, repr(version), "version 1 is")
        check_error(await infer(app, body, url="/v2/models/nobody/infer"), 404, "'nobody'", "htru2")
        assert app.telemetry.requests["/v2/models/{model}/infer", 404] == 4

    with_app(work)


def test_a_model_that_is_not_loaded(with_app) -> None:
    """A request that comes before the model is 503."""

    async def work(app: App) -> None:
        check_error(await infer(app, {"inputs": [GOOD]}), 503)

    with_app(work, load=False)


def test_an_answer_that_is_no_number(with_app) -> None:
    """A row for which the network gives NaN is an error with its index, in either form."""
    rows = np.ones((3, 8), np.float32)

    class Broken(Session):
        def __init__(self, session: Session) -> None:
            self._session, self.provider = session, session.provider
            self.broken = False

        def run(self, rows: np.ndarray) -> dict[str, np.ndarray]:
            outputs = self._session.run(rows)
            if self.broken:
                outputs["logit"] = outputs["logit"].copy()
                outputs["logit"][1] = np.nan
            return outputs

    opened = []

    def prepare(app: App) -> None:
        open_session = app.open_session

        def open_broken(model: bytes, device: Device) -> Broken:
            opened.append(Broken(open_session(model, device)))
            return opened[-1]

        app.open_session = open_broken

    async def work(app: App) -> None:
        opened[0].broken = True
        for parameters in ({}, {"binary_data_output": True}):
            answer = await infer(app, {"inputs": [tensor(rows)], "parameters": parameters})
            check_error(answer, 500, "no finite logit", "index 1")
        only = await infer(app, {"inputs": [tensor(rows)], "outputs": [{"name": "probability"}]})
        assert only.status_code == 200

    with_app(work, prepare=prepare)
