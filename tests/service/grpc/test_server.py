"""Protocol v2 over gRPC, asked by Triton's own client."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import grpc
import msgspec
import numpy as np
import pytest
import tritonclient.grpc.aio as triton
import trustme
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tritonclient.utils import InferenceServerException

from models.registry.releases import Releases
from models.registry.store import Repository
from service.api.auth.keys import KeyFile, KeyStore, new_key
from service.api.body.decoding import Limits
from service.api.routes.admin import Administration
from service.api.transport.client_address import ClientAddress
from service.grpc.entrance import Entrance
from service.grpc.fast_inference import FastInference
from service.grpc.inference import Inference
from service.grpc.messages import HEALTH, SERVICE, message
from service.grpc.reflection import REFLECTION
from service.grpc.server import GrpcServer
from service.inference.predictor import Prediction, Predictor
from service.inference.trials.routing import Routing
from tests.service.conftest import App
from tests.support import bundles

ROWS = bundles.candidates(5)
#: What it returns is awaited after the server has stopped.
Work = Callable[[App, str], Awaitable[Awaitable[object] | None]]


@pytest.fixture
def with_grpc(with_app, tmp_path: Path):
    """Return a function that runs a test's work with the application and its gRPC address."""

    def run(
        work: Work, *, keys: KeyStore | None = None, certificates=None, prepare=None,
        client_address: ClientAddress | None = None, most_calls: int = 100, **options: object,
    ) -> None:  # fmt: skip
        async def main(app: App) -> None:
            if keys is not None:
                releases = Releases(Repository(tmp_path), tmp_path / "state")
                app.rebuild(
                    key_store=keys, control=app.reloader,
                    administration=Administration(releases, app.reloader),
                )  # fmt: skip
            entrance = Entrance(
                app.served_models, app.predictor, app.telemetry, Limits(1000, 100_000, 100_000),
                30.0, keys, client_address=client_address,
            )  # fmt: skip
            server = GrpcServer(
                app.asgi, Inference(entrance), hosts=["127.0.0.1"], port=0, max_bytes=100_000,
                most_calls=most_calls, idle_seconds=60.0, certificates=certificates,
                client_address=client_address,
            )  # fmt: skip
            port = await server.start()
            later = None
            try:
                later = await work(app, f"127.0.0.1:{port}")
            finally:
                await server.stop(5)
            if later is not None:
                await later
            assert app.served_models.get("htru2").leases.count == 0

        with_app(main, prepare=prepare, **options)

    return run


def candidates(rows: np.ndarray = ROWS) -> list[triton.InferInput]:
    """The input of the small model."""
    tensor = triton.InferInput("features", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    return [tensor]


def test_answers_are_those_of_http(with_grpc) -> None:
    """Every output, number by number, with the version that answered and the request's id."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            got = await client.infer("htru2", candidates(), request_id="seven")
        body = {
            "inputs": [
                {"name": "features", "datatype": "FP32", "shape": [5, 8], "data": ROWS.ravel().tolist()}
            ]
        }
        asked = await app.client.post("/v2/models/htru2/infer", json=body)
        for output in asked.json()["outputs"]:
            array = got.as_numpy(output["name"])
            assert list(array.shape) == output["shape"]
            np.testing.assert_array_equal(array.ravel(), np.array(output["data"], np.float32))
        assert got.get_response().model_version == "1"
        assert got.get_response().id == "seven"

    with_grpc(work)


def test_typed_contents_and_chosen_outputs(with_grpc) -> None:
    """Elements in ``fp32_contents``, one output, decided by the request's own threshold."""

    async def work(app: App, address: str) -> None:
        asked = message("inference.ModelInferRequest")(model_name="htru2")
        tensor = asked.inputs.add(name="features", datatype="FP32", shape=[5, 8])
        tensor.contents.fp32_contents.extend(ROWS.ravel().tolist())
        asked.outputs.add(name="probability")
        asked.outputs.add(name="call")
        asked.parameters["threshold"].double_param = 0.0
        answered = await _call(address, SERVICE, "ModelInfer", asked)
        assert [output.name for output in answered.outputs] == ["probability", "call"]
        assert answered.outputs[1].datatype == "BOOL"
        assert answered.raw_output_contents[1] == b"\1" * 5
        assert answered.parameters["threshold_pulsar"].double_param == 0.0
        asked.parameters["threshold"].string_param = '{"pulsar": 1.0}'
        answered = await _call(address, SERVICE, "ModelInfer", asked)
        assert answered.raw_output_contents[1] == b"\0" * 5

    with_grpc(work)


def test_molecules_are_bytes(with_app, tmp_path: Path, with_grpc) -> None:
    """SMILES as a tensor of BYTES, raw or typed; one that cannot be read is named."""
    bundles.publish(tmp_path, name="tox21", kind=bundles.MOLECULES)

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            tensor = triton.InferInput("smiles", [2], "BYTES")
            tensor.set_data_from_numpy(np.array([b"CCO", b"c1ccccc1O"], object))
            got = await client.infer("tox21", [tensor])
            assert got.as_numpy("probability").shape == (2, 12)
            tensor.set_data_from_numpy(np.array([b"CCO", b"CC[Na"], object))
            with pytest.raises(InferenceServerException, match="index 1"):
                await client.infer("tox21", [tensor])
        asked = message("inference.ModelInferRequest")(model_name="tox21")
        tensor = asked.inputs.add(name="smiles", datatype="BYTES", shape=[1])
        tensor.contents.bytes_contents.append(b"CCO")
        answered = await _call(address, SERVICE, "ModelInfer", asked)
        np.testing.assert_array_equal(
            np.frombuffer(answered.raw_output_contents[0], np.float32), got.as_numpy("probability")[0]
        )

    with_grpc(work)


def test_what_is_told_of_the_server_and_its_models(with_grpc) -> None:
    """Metadata, readiness, statistics and the index are the documents of HTTP."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("htru2")
            assert (await client.get_server_metadata()).name == "snn-serving"
            told = await client.get_model_metadata("htru2", "1", as_json=True)
            http = (await app.client.get("/v2/models/htru2")).json()
            assert [each["name"] for each in told["outputs"]] == [
                each["name"] for each in http["outputs"]
            ]
            assert told["inputs"] == [{"name": "features", "datatype": "FP32", "shape": ["-1", "8"]}]
            await client.infer("htru2", candidates())
            (statistics,) = (await client.get_inference_statistics("htru2")).model_stats
            assert (statistics.inference_count, statistics.execution_count) == (5, 1)
            assert statistics.inference_stats.success.count == 1
            assert len((await client.get_inference_statistics()).model_stats) == 1
            (entry,) = (await client.get_model_repository_index()).models
            assert (entry.name, entry.version, entry.state) == ("htru2", "1", "READY")
        counted = (await app.client.get("/metrics")).text
        assert f'route="/{SERVICE}/ModelInfer"' in counted

    with_grpc(work)


@pytest.mark.parametrize(
    ("model", "version", "rows", "status", "text"),
    [
        ("nothing", "", ROWS, "NOT_FOUND", "no model named 'nothing'"),
        ("htru2", "9", ROWS, "NOT_FOUND", "version '9'"),
        ("htru2", "", ROWS[:, :3], "INVALID_ARGUMENT", "has shape [5,3]"),
        ("htru2", "", np.repeat(ROWS, 201, axis=0), "INVALID_ARGUMENT", "the most is 1000"),
        ("htru2", "", np.full((1, 8), np.nan, np.float32), "INVALID_ARGUMENT", "index 0"),
    ],
)
def test_errors_are_sentences(
    with_grpc, model: str, version: str, rows: np.ndarray, status: str, text: str
) -> None:
    """GRPC's status, and what is wrong in the words of HTTP."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            with pytest.raises(InferenceServerException) as raised:
                await client.infer(model, candidates(rows), model_version=version)
        assert raised.value.status() == f"StatusCode.{status}"
        assert text in raised.value.message()

    with_grpc(work)


def test_names_that_would_be_other_paths_are_unknown(with_grpc) -> None:
    """A name is no way to another route."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            for name in ("htru2/config", "../admin/models", "", "htru2/stats"):
                with pytest.raises(InferenceServerException) as raised:
                    await client.get_model_metadata(name)
                assert raised.value.status() == "StatusCode.NOT_FOUND"

    with_grpc(work)


@pytest.mark.parametrize(
    "header",
    [("accept-encoding", "gzip"), ("content-encoding", "br"), ("content-length", "many"),
     ("accept", "text/csv")],
)  # fmt: skip
def test_metadata_about_bodies_of_http_mean_nothing(with_grpc, header: tuple[str, str]) -> None:
    """A message has no such body: a forwarded call is answered as without them."""

    async def work(app: App, address: str) -> None:
        asked = message("inference.ModelMetadataRequest")(name="htru2")
        plain = await _call(address, SERVICE, "ModelMetadata", asked)
        assert await _call(address, SERVICE, "ModelMetadata", asked, (header,)) == plain
        index = message("inference.RepositoryIndexRequest")()
        answered = await _call(address, SERVICE, "RepositoryIndex", index, (header,))
        assert [model.name for model in answered.models] == ["htru2"]

    with_grpc(work, compresses=True)


def _keys(folder: Path) -> tuple[KeyStore, dict[str, str]]:
    made = {name: new_key(name, (name,)) for name in ("admin", "metrics", "predict")}
    made["slow"] = new_key("slow", ("predict",), rows_per_second=1.0)
    made["old"] = new_key("old", ("predict",), datetime(2020, 1, 1, tzinfo=UTC))
    folder.mkdir(exist_ok=True)
    file = folder / "keys.json"
    file.write_bytes(msgspec.json.encode(KeyFile(tuple(entry for _, entry in made.values()))))
    return KeyStore(file), {name: key for name, (key, _) in made.items()}


def test_keys_are_the_same_as_over_http(with_grpc, tmp_path: Path) -> None:
    """In the metadata, with scopes, expiry and rates; probes need none."""
    store, keys = _keys(tmp_path / "state")

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:

            def named(name: str) -> dict[str, dict[str, str]]:
                return {"headers": {"authorization": f"Bearer {keys[name]}"}}

            async def status(step, *arguments: object, **options: object) -> str:
                with pytest.raises(InferenceServerException) as raised:
                    await step(*arguments, **options)
                return raised.value.status().removeprefix("StatusCode.")

            async def infer(name: str) -> None:
                await client.infer("htru2", candidates(), **named(name))

            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await status(client.infer, "htru2", candidates()) == "UNAUTHENTICATED"
            assert await status(infer, "old") == "UNAUTHENTICATED"
            assert await status(infer, "metrics") == "PERMISSION_DENIED"
            await client.infer("htru2", candidates(), headers={"x-api-key": keys["predict"]})
            await infer("slow")
            assert await status(infer, "slow") == "RESOURCE_EXHAUSTED"
            denied = [
                await status(client.get_inference_statistics, **named("predict")),
                await status(client.unload_model, "htru2", **named("predict")),
            ]
            assert denied == ["PERMISSION_DENIED"] * 2
            await client.unload_model("htru2", **named("admin"))
            assert not await client.is_model_ready("htru2", **named("predict"))
            assert await status(infer, "predict") == "UNAVAILABLE"
            await client.load_model("htru2", **named("admin"))
            await infer("predict")

    with_grpc(work, keys=store)


def test_a_canary_answers_its_share(with_grpc, tmp_path: Path) -> None:
    """By the request's id, as over HTTP."""

    async def work(app: App, address: str) -> None:
        version = bundles.publish(tmp_path, seed=1, promote=False)
        champion = app.served_models.get("htru2")
        champion.trial.challenger = app.reloader._worker.loader.load("htru2", version)
        champion.trial.routing = Routing(0.5, sticky=False, salt="ab" * 8)
        async with triton.InferenceServerClient(address) as client:
            for number in range(20):
                sent = f"request-{number}"
                got = await client.infer("htru2", candidates(), headers={"x-request-id": sent})
                takes = champion.trial.routing.takes(sent.encode())
                assert got.get_response().model_version == ("2" if takes else "1")
        champion.trial.challenger.lane.shutdown()
        champion.trial.challenger = champion.trial.routing = None

    with_grpc(work)


def test_synthetic_calls_are_no_traffic(with_grpc) -> None:
    """From this machine the mark counts, so that windows stay empty."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            await client.infer("htru2", candidates(), headers={"x-snn-synthetic": "1"})
            await client.infer("htru2", candidates(ROWS[:2]))
        told = (await app.client.get("/health/activations/htru2")).json()
        assert told["windows"]["start"]["rows"] == 2

    with_grpc(work)


def test_a_deadline_that_has_passed_begins_nothing(with_grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """GRPC's own deadline is the request's: rows that wait beyond it are not computed."""

    async def work(app: App, address: str) -> None:
        batcher = app.served_models.get("htru2").batcher
        computed, compute = [], batcher._compute

        def noted(rows: np.ndarray, parts: object) -> object:
            computed.append(len(rows))
            return compute(rows, parts)

        async with triton.InferenceServerClient(address) as client:
            monkeypatch.setattr(batcher, "_compute", noted)
            with monkeypatch.context() as held:
                held.setattr(batcher, "_schedule", lambda: None)  # the queue stands still
                with pytest.raises(InferenceServerException, match=r"DEADLINE_EXCEEDED|Deadline"):
                    await client.infer("htru2", candidates(), client_timeout=0.05)
            await client.infer("htru2", candidates(), client_timeout=10)
        assert computed == [len(ROWS)]

    with_grpc(work)


@pytest.mark.parametrize(
    ("metadata", "status", "text"),
    [
        ({"x-request-timeout-ms": "0"}, "DEADLINE_EXCEEDED", "deadline"),
        ({"x-request-timeout-ms": "soon"}, "INVALID_ARGUMENT", "whole number of milliseconds"),
    ],
)
def test_a_time_out_in_the_metadata_counts(
    with_grpc, metadata: dict[str, str], status: str, text: str
) -> None:
    """As the header of HTTP does, on both paths."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            for wanted in ("probability", "call"):
                outputs = [triton.InferRequestedOutput(wanted)]
                with pytest.raises(InferenceServerException, match=text) as raised:
                    await client.infer("htru2", candidates(), outputs=outputs, headers=metadata)
                assert raised.value.status() == f"StatusCode.{status}"

    with_grpc(work)


def test_both_paths_answer_alike(with_grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked, byte for byte, or the same refusal; also that the fast path is taken."""
    taken: list[bool] = []
    begin = FastInference.begin

    def noted(*arguments: object) -> bool:
        taken.append(begin(*arguments))
        return taken[-1]

    def plain(**changes: object) -> object:
        told = {"model_name": "htru2", "name": "features", "datatype": "FP32", "shape": [5, 8],
                "raw": [ROWS.tobytes()], "outputs": (), "id": ""} | changes  # fmt: skip
        asked = message("inference.ModelInferRequest")(
            model_name=told["model_name"], model_version=told.get("version", ""), id=told["id"],
            raw_input_contents=told["raw"],
        )  # fmt: skip
        asked.inputs.add(name=told["name"], datatype=told["datatype"], shape=told["shape"])
        for output in told["outputs"]:
            asked.outputs.add(name=output)
        return asked

    messages = [
        (plain(), True), (plain(id="seven", version="1", outputs=["logit", "probability"]), True),
        (plain(outputs=["call"]), False), (plain(outputs=["probability"] * 2), False),
        (plain(version="2"), False), (plain(model_name="no"), False), (plain(name="x"), False),
        (plain(datatype="FP64"), False), (plain(shape=[40]), False), (plain(shape=[-5, -8]), False),
        (plain(shape=[0, 8], raw=[b""]), False), (plain(shape=[2**62, 8]), False),
        (plain(raw=[ROWS.tobytes()[1:]]), False), (plain(raw=[]), False),
        (plain(raw=[np.full_like(ROWS, np.inf).tobytes()]), False),
        (plain(raw=[np.full_like(ROWS, 1e38).tobytes()]), True),
    ]  # fmt: skip

    async def work(app: App, address: str) -> None:
        async def told(asked: object) -> object:
            try:
                return await _call(address, SERVICE, "ModelInfer", asked)
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details()

        for asked, fast in messages:
            monkeypatch.setattr(FastInference, "begin", noted)
            by_fast = await told(asked)
            assert taken.pop() is fast, asked
            monkeypatch.setattr(FastInference, "begin", lambda *_: False)
            assert await told(asked) == by_fast

    with_grpc(work)


def test_calls_meet_in_a_batch(with_grpc) -> None:
    """Rows of calls that arrive together are computed together."""

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            await asyncio.gather(*(client.infer("htru2", candidates(ROWS[:1])) for _ in range(200)))
        traffic = app.served_models.get("htru2").traffic
        assert traffic.succeeded.count == traffic.rows == 200
        assert sum(tally.count for tally in traffic.batches.values()) < 150

    with_grpc(work, most_calls=300)


def test_calls_beyond_the_limit_are_refused(with_grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cost nothing but a sentence and a count, and others are answered on."""
    predict, free, waiting = Predictor.predict, asyncio.Event(), 0

    async def slowly(*arguments: object, **options: object) -> Prediction:
        nonlocal waiting
        waiting += 1
        await free.wait()
        return await predict(*arguments, **options)

    monkeypatch.setattr(Predictor, "predict", slowly)

    async def work(app: App, address: str) -> None:
        # A stream more than the limit needs a second connection: the first one holds it back.
        slow = [triton.InferRequestedOutput("call")]
        own = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            triton.InferenceServerClient(address) as client,
            triton.InferenceServerClient(address, channel_args=own) as other,
        ):
            held = [
                asyncio.create_task(client.infer("htru2", candidates(), outputs=slow)) for _ in range(2)
            ]
            while waiting < 2:
                await asyncio.sleep(0.01)
            with pytest.raises(InferenceServerException, match="too many calls") as raised:
                await other.infer("htru2", candidates())
            assert raised.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
            free.set()
            await asyncio.gather(*held)
            await other.infer("htru2", candidates())
        counted = (await app.client.get("/metrics")).text
        assert f'route="/{SERVICE}/ModelInfer",status="503"' in counted

    with_grpc(work, most_calls=2)


def test_the_log_has_the_clients_address(with_grpc) -> None:
    """Of calls that are predicted or forwarded, where the log is to have it."""
    seen: list[str | None] = []

    class Noted(ClientAddress):
        def __call__(self, *arguments: object) -> str | None:
            seen.append(super().__call__(*arguments))
            return seen[-1]

    async def work(app: App, address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            await client.infer("htru2", candidates())
            await client.is_server_ready()
            passed = {"x-forwarded-for": "192.0.2.7"}
            await client.infer("htru2", candidates(), headers=passed)

    with_grpc(work, client_address=Noted([ip_network("127.0.0.0/8")]))
    assert seen == ["127.0.0.1", "127.0.0.1", "192.0.2.7"]


def test_a_client_that_leaves_frees_its_place(with_grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asked is withdrawn, on both paths, and counted as closed by the client."""
    predict, begun = Predictor.predict, asyncio.Event()

    async def never(*arguments: object, **options: object) -> Prediction:
        begun.set()
        await asyncio.get_running_loop().create_future()
        return await predict(*arguments, **options)

    monkeypatch.setattr(Predictor, "predict", never)

    async def work(app: App, address: str) -> None:
        batcher = app.served_models.get("htru2").batcher
        # Nothing is pulled, so that the plain call waits in the queue.
        monkeypatch.setattr(batcher, "_schedule", begun.set)
        async with triton.InferenceServerClient(address) as client:
            for output in ("probability", "call"):
                begun.clear()
                outputs = [triton.InferRequestedOutput(output)]
                call = asyncio.create_task(client.infer("htru2", candidates(), outputs=outputs))
                await begun.wait()
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
        for _ in range(500):
            counted = (await app.client.get("/metrics")).text
            if f'route="/{SERVICE}/ModelInfer",status="499"}} 2' in counted:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail(counted)
        assert batcher.waiting == 0

    with_grpc(work)


def test_what_is_no_message_or_method_is_refused(with_grpc) -> None:
    """Bytes of anything, no message at all, a method that there is not; the server lives on."""

    async def work(app: App, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:

            async def refused(path: str, *sent: bytes) -> grpc.StatusCode:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await channel.stream_unary(path)(iter(sent), timeout=10)
                return raised.value.code()

            invalid, unknown = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED
            for method in ("ModelInfer", "ModelMetadata"):
                assert await refused(f"/{SERVICE}/{method}", b"\xff\xff") is invalid
                assert await refused(f"/{SERVICE}/{method}") is unknown
            assert await refused("/no.such/Method", b"") is unknown
            too_large = await refused(f"/{SERVICE}/ModelInfer", bytes(200_000))
            assert too_large is grpc.StatusCode.RESOURCE_EXHAUSTED
            reflect = channel.stream_stream(f"/{REFLECTION[0]}/ServerReflectionInfo")
            answers = [each async for each in reflect(iter((b"\xff", b"", b"\x3a\x00")))]
            parsed = [reflection_pb2.ServerReflectionResponse.FromString(each) for each in answers]
        assert [each.HasField("error_response") for each in parsed] == [True, True, False]
        await app.client.get("/health/ready")

    with_grpc(work)


def test_reflection_and_health(with_grpc) -> None:
    """A client without stubs finds the services and their messages; Kubernetes asks for health."""

    async def work(app: App, address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            asked = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
            ]
            listed, found = [each async for each in stub.ServerReflectionInfo(iter(asked))]
        names = {service.name for service in listed.list_services_response.service}
        assert {SERVICE, HEALTH} <= names
        file = descriptor_pb2.FileDescriptorProto.FromString(
            found.file_descriptor_response.file_descriptor_proto[0]
        )
        assert "ModelInferRequest" in {each.name for each in file.message_type}
        request = message("grpc.health.v1.HealthCheckRequest")
        for name, status in (("", 1), ("htru2", 1), (SERVICE, 1)):
            assert (await _call(address, HEALTH, "Check", request(service=name))).status == status
        for name in ("nothing", "no.such.Service"):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await _call(address, HEALTH, "Check", request(service=name))
            assert raised.value.code() == grpc.StatusCode.NOT_FOUND
        app.served_models.draining = True
        assert (await _call(address, HEALTH, "Check", request())).status == 2

    with_grpc(work)


async def _call(
    address: str,
    service: str,
    method: str,
    asked: object,
    metadata: tuple[tuple[str, str], ...] = (),
) -> object:
    """Call a method without stubs."""
    name = "HealthCheck" if service == HEALTH else method
    answered = message(f"{service.rpartition('.')[0]}.{name}Response")
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=answered.FromString,
        )
        return await call(asked, metadata=metadata)


def test_certificates_are_those_of_https_and_are_renewed(with_grpc, tmp_path: Path) -> None:
    """A renewed certificate counts for the next connection; files that do not fit change nothing."""
    folder = tmp_path / "tls"
    folder.mkdir()
    chain, key = folder / "chain.pem", folder / "key.pem"

    def issue() -> bytes:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        key.write_bytes(issued.private_key_pem.bytes())
        chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        return authority.cert_pem.bytes()

    async def work(app: App, address: str) -> None:
        authority = first
        for step in ("as it began", "renewed", "no key"):
            if step == "renewed":
                authority = issue()
            elif step == "no key":
                key.write_bytes(b"nonsense")
            trusted = grpc.ssl_channel_credentials(root_certificates=authority)
            async with triton.InferenceServerClient(address, ssl=True, creds=trusted) as client:
                assert await client.is_server_live()
        with pytest.raises(InferenceServerException):
            async with triton.InferenceServerClient(address) as client:
                await client.is_server_live(client_timeout=2)

    first = issue()
    with_grpc(work, certificates=(chain, key, None))


def test_calls_in_flight_are_answered_when_it_stops(with_grpc, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for what was begun."""
    begun = asyncio.Event()
    predict = Predictor.predict

    async def slowly(*arguments: object, **options: object) -> Prediction:
        begun.set()
        await asyncio.sleep(0.5)
        return await predict(*arguments, **options)

    monkeypatch.setattr(Predictor, "predict", slowly)

    async def asked(address: str) -> None:
        async with triton.InferenceServerClient(address) as client:
            wanted = [triton.InferRequestedOutput("call")]
            got = await client.infer("htru2", candidates(), outputs=wanted)
            assert got.as_numpy("call").shape == (5, 1)

    async def work(app: App, address: str) -> Awaitable[object]:
        call = asyncio.create_task(asked(address))
        await begun.wait()
        return call

    with_grpc(work)
