"""The real ``tritonclient`` against the real server, with a small model of either kind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.support import bundles
from tests.support.server import running

pytestmark = pytest.mark.slow

SMILES = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.InferenceServerClient]:
    """A client of a server that allows control."""
    folder: Path = tmp_path_factory.mktemp("server")
    root = folder / "repository"
    root.mkdir()
    bundles.publish(root)
    bundles.publish(root, name="tox21", kind=bundles.MOLECULES)
    with running(folder, models=root, repository_control=True) as server:
        assert server.wait_until_ready().status_code == 200
        with triton.InferenceServerClient(server.address.removeprefix("http://")) as connected:
            yield connected


def candidates(rows: np.ndarray, *, binary: bool = True) -> list[triton.InferInput]:
    """The input of htru2."""
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    return [tensor.set_data_from_numpy(rows, binary_data=binary)]


def molecules(shape: tuple[int, ...], *, binary: bool = True) -> list[triton.InferInput]:
    """The input of tox21."""
    array = np.array([each.encode() for each in SMILES], object).reshape(shape)
    tensor = triton.InferInput("smiles", list(shape), "BYTES")
    return [tensor.set_data_from_numpy(array, binary_data=binary)]


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """The client finds the server alive and the models ready, and reads what they take and give."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("htru2")
    assert client.is_model_ready("tox21", "1")
    assert not client.is_model_ready("htru2", "2")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "snn-serving"
    metadata = client.get_model_metadata("tox21", "1")
    assert metadata["inputs"] == [{"name": "smiles", "datatype": "BYTES", "shape": [-1]}]
    assert client.get_model_config("htru2")["input"][0]["dims"] == [8]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True, None])
def test_candidates(
    client: triton.InferenceServerClient, binary_in: bool, binary_out: bool | None
) -> None:
    """JSON and binary tensors mix freely; without requested outputs all of them are binary."""
    rows = bundles.candidates(300)
    names = ["probability", "logit", "taps"]
    outputs = None
    if binary_out is not None:
        outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    answer = client.infer(
        "htru2", candidates(rows, binary=binary_in), outputs=outputs, model_version="1", request_id="7"
    )
    told = answer.get_response()
    assert (told["model_name"], told["model_version"], told["id"]) == ("htru2", "1", "7")
    expected = bundles.run(bundles.graph(), rows)
    for name in names:
        np.testing.assert_allclose(answer.as_numpy(name), expected[name], rtol=1e-5, atol=1e-6)
        in_json = "data" in answer.get_output(name)
        assert in_json == (binary_out is False)


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
@pytest.mark.parametrize("rows", [1, 300])
def test_compression_both_ways(client: triton.InferenceServerClient, packed: str, rows: int) -> None:
    """A compressed request, whose header counts what it was before, and a compressed answer."""
    made = bundles.candidates(rows)
    answer = client.infer(
        "htru2",
        candidates(made),
        request_compression_algorithm=packed,
        response_compression_algorithm=packed,
    )
    expected = bundles.run(bundles.graph(), made)["taps"]
    np.testing.assert_allclose(answer.as_numpy("taps"), expected, rtol=1e-5, atol=1e-6)


def test_molecules(client: triton.InferenceServerClient) -> None:
    """SMILES as BYTES, flat or as a column, as JSON or binary, and one output alone."""
    asked = [triton.InferRequestedOutput("probability")]
    found = [
        client.infer("tox21", molecules(shape, binary=binary), outputs=asked).as_numpy("probability")
        for shape in ((3,), (3, 1))
        for binary in (False, True)
    ]
    assert found[0].shape == (3, 12)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_concurrent_requests(client: triton.InferenceServerClient) -> None:
    """Requests of different sizes on several connections get their own rows back."""
    with triton.InferenceServerClient(client._parsed_url.netloc, concurrency=8) as several:
        sizes = [1, 5, 256, 1, 700, 2] * 4
        rows = [bundles.candidates(size, seed=number) for number, size in enumerate(sizes)]
        waiting = [several.async_infer("htru2", candidates(each)) for each in rows]
        for each, request in zip(rows, waiting, strict=True):
            expected = bundles.run(bundles.graph(), each)["logit"]
            found = request.get_result().as_numpy("logit")
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_errors_are_the_servers_sentences(client: triton.InferenceServerClient) -> None:
    """The client shows the status and the sentence of an error."""
    rows = np.ones((2, 8), np.float32)
    rows[1, 3] = np.nan
    with pytest.raises(InferenceServerException, match="index 1: feature profile_kurtosis") as caught:
        client.infer("htru2", candidates(rows))
    assert caught.value.status() == "400"
    with pytest.raises(InferenceServerException, match=r"shape \[2,7\]"):
        client.infer("htru2", candidates(np.ones((2, 7), np.float32)))
    with pytest.raises(InferenceServerException, match="'nobody'") as caught:
        client.infer("nobody", candidates(np.ones((1, 8), np.float32)))
    assert caught.value.status() == "404"
    with pytest.raises(InferenceServerException) as caught:
        client.get_log_settings()
    assert caught.value.status() == "404"


def test_statistics(client: triton.InferenceServerClient) -> None:
    """The statistics of one model and of all have the client's shape, and grow."""
    before = client.get_inference_statistics("htru2")["model_stats"][0]
    client.infer("htru2", candidates(bundles.candidates(3)))
    after = client.get_inference_statistics("htru2", "1")["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 3
    succeeded = [each["inference_stats"]["success"]["count"] for each in (before, after)]
    assert succeeded[1] == succeeded[0] + 1
    names = [each["name"] for each in client.get_inference_statistics()["model_stats"]]
    assert names == ["htru2", "tox21"]


def test_the_repository(client: triton.InferenceServerClient) -> None:
    """Index, unload and load, as the client sends them."""
    index = client.get_model_repository_index()
    assert [(each["name"], each["state"]) for each in index] == [("htru2", "READY"), ("tox21", "READY")]
    client.unload_model("tox21")
    try:
        assert not client.is_model_ready("tox21")
        assert client.is_server_ready()
    finally:
        client.load_model("tox21")
    assert client.is_model_ready("tox21")
