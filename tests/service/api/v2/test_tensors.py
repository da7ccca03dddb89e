"""The codec of the v2 protocol by itself: round trips, and bytes that mean nothing."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.networks.outputs import OUTPUTS
from service.api.problems import Problem
from service.api.v2 import datatypes, request, response, tensors

WIDTH, MOST = 3, 100
NUMBERS = [name for name in datatypes.NAMES if name not in ("BOOL", "BYTES")]

float32s = st.floats(width=32, allow_nan=True)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
sizes = st.integers() | st.integers(-3, MOST + 3) | st.none() | st.booleans()


def read(body: bytes, header_length: int | None, columns: int | None = WIDTH) -> tensors.Records:
    """Decode a body as the route does."""
    tensor = request.parse(body, header_length, "x", OUTPUTS).tensor
    return tensors.records_of(tensor.name, tensor.datatype, tensor.shape, tensor.data, columns, MOST)


def body_of(declared: dict, rest: bytes = b"") -> tuple[bytes, int]:
    """A body and its header's length."""
    header = json.dumps({"inputs": [{"name": "x"} | declared]}).encode()
    return header + rest, len(header)


@given(st.lists(st.tuples(float32s, float32s, float32s), min_size=1, max_size=MOST), st.integers(0, 9))
def test_a_binary_tensor_is_the_array_that_was_packed(rows: list, padding: int) -> None:
    """Any float32, NaN too, arrives bit by bit, at any offset in the body."""
    array = np.array(rows, "<f4")
    content = array.tobytes()
    declared = {"shape": list(array.shape), "datatype": "FP32"}
    parameters = {"binary_data_size": len(content), "padding": " " * padding}
    found = read(*body_of(declared | {"parameters": parameters}, content))
    assert found.dtype == np.float32
    assert found.flags.aligned
    assert found.tobytes() == content


@given(st.lists(st.text(), min_size=1, max_size=MOST))
def test_strings_survive_both_ways(strings: list[str]) -> None:
    """Any text arrives as it was, as lengths and bytes or as JSON."""
    encoded = [each.encode("utf-8", "surrogatepass") for each in strings]
    content = b"".join(len(each).to_bytes(4, "little") + each for each in encoded)
    declared = {"shape": [len(strings), 1], "datatype": "BYTES"}
    sized = declared | {"parameters": {"binary_data_size": len(content)}}
    assert read(*body_of(sized, content), columns=None) == strings
    assert read(body_of(declared | {"data": strings})[0], None, columns=None) == strings


@given(
    st.binary(max_size=200),
    st.lists(sizes, max_size=3) | st.just([2, WIDTH]) | st.just([2]),
    st.sampled_from([*datatypes.NAMES, "FP32", "BYTES", "FP33", ""]),
    sizes,
    st.none() | st.integers(-3, 3),
    st.sampled_from([WIDTH, None]),
)
def test_arbitrary_binary_tensors_raise_nothing_but_problems(
    content: bytes, shape: list, datatype: str, size: object, shift: int | None, columns: int | None
) -> None:
    """Whatever the tensor, its shape, its datatype, its size and the header say, 400 or rows result."""
    truthful = len(content) if size is None else size
    parameters = {"parameters": {"binary_data_size": truthful}}
    body, length = body_of({"shape": shape, "datatype": datatype} | parameters, content)
    try:
        records = read(body, None if shift is None else length + shift, columns)
    except Problem as problem:
        assert problem.status in (400, 413)
    else:
        assert 1 <= len(records) <= MOST


@given(st.binary(max_size=300), st.none() | st.integers(0, 400))
def test_arbitrary_bytes_raise_nothing_but_problems(body: bytes, length: int | None) -> None:
    """A body of no meaning at all is a ``Problem``."""
    with pytest.raises(Problem):
        read(body, length)


@given(anything, st.sampled_from([WIDTH, None]))
def test_arbitrary_json_raises_nothing_but_problems(document: object, columns: int | None) -> None:
    """Any JSON document, as the request and as the data in one, is refused or read."""
    declared = {"shape": [1, columns or 1], "datatype": "FP32" if columns else "BYTES", "data": document}
    for whole in (document, {"inputs": [{"name": "x"} | declared]}):
        try:
            records = read(json.dumps(whole).encode(), None, columns)
        except Problem as problem:
            assert problem.status == 400
        else:
            assert len(records) == 1


@given(st.sampled_from(NUMBERS), st.data())
def test_json_numbers_are_exact_or_refused(datatype: str, data: st.DataObject) -> None:
    """Integers arrive as they are within their datatype's range, and are refused beyond it."""
    numbers = data.draw(st.lists(st.integers(-(2**65), 2**65), min_size=WIDTH, max_size=WIDTH))
    declared = {"shape": [1, WIDTH], "datatype": datatype, "data": numbers}
    signed, bits = datatype.startswith("INT"), int(datatype.lstrip("UINTFPB"))
    fits = [(-(2 ** (bits - 1)) if signed else 0) <= each < 2 ** (bits - signed) for each in numbers]
    if "INT" not in datatype or all(fits):
        assert read(body_of(declared)[0], None)[0].tolist() == pytest.approx(numbers)
    else:
        with pytest.raises(Problem, match=datatype):
            read(body_of(declared)[0], None)


@given(
    st.integers(0, 20),
    st.dictionaries(st.sampled_from(OUTPUTS), st.booleans(), min_size=1),
    st.none() | st.text(max_size=5),
)
def test_answers_hold_what_was_computed(
    rows: int, wanted: dict[str, bool], identifier: str | None
) -> None:
    """Every wanted output is in the body with its shape and numbers; its sizes add up to the body."""
    generator = np.random.default_rng(rows)
    shapes = {"probability": (rows, 2), "logit": (rows, 2), "taps": (rows, 2, 3, 3)}
    outputs = {name: generator.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    body, length = response.encode("m", "1", identifier, outputs, wanted)
    assert (length is None) == (not any(wanted.values()))
    document = msgspec.json.decode(body[:length])
    assert document.get("id") == identifier
    rest = body[len(body) if length is None else length :]
    assert [output["name"] for output in document["outputs"]] == list(wanted)
    for output in document["outputs"]:
        if wanted[output["name"]]:
            size = output["parameters"]["binary_data_size"]
            found, rest = np.frombuffer(rest[:size], "<f4"), rest[size:]
        else:
            found = np.array(output["data"], np.float32)
        np.testing.assert_array_equal(found.reshape(output["shape"]), outputs[output["name"]])
    assert rest == b""
