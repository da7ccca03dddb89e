"""New versions while requests are under way, and a network that raises."""

import asyncio
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.networks.outputs import INPUT
from tests.chaos import wire
from tests.support import bundles
from tests.support.server import running


def test_every_answer_during_reloads_is_right_for_its_version(tmp_path: Path) -> None:
    """Eight clients post without a pause while six versions follow each other; none notices."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root, seed=0)
    rows = {size: bundles.candidates(size, seed=size) for size in (1, 7, 300)}
    right = {
        (version, size): bundles.run(bundles.graph(version - 1), block)["probability"][:, 0]
        for version in range(1, 7)
        for size, block in rows.items()
    }

    async def client(port: int, size: int, stop: asyncio.Event) -> set[int]:
        reader, writer = await asyncio.open_connection(wire.HOST, port)
        request, seen = wire.post(wire.predict_body(rows[size])), set()
        while not stop.is_set():
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            document = json.loads(await reader.readexactly(length))
            version = int(document["version"])
            shown = [result["probability"]["pulsar"] for result in document["results"]]
            np.testing.assert_allclose(shown, right[version, size], atol=1e-6)
            seen.add(version)
        writer.close()
        await writer.wait_closed()
        return seen

    async def everyone(port: int, served) -> list[set[int]]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(client(port, size, stop)) for size in (1, 1, 1, 7, 7, 7, 300, 300)]
        for version in range(2, 7):
            await asyncio.to_thread(bundles.publish, root, seed=version - 1)
            label = f"htru2@{version}"
            await asyncio.to_thread(served.wait_for_line, "model serving", model=label)
            await asyncio.sleep(0.3)
        stop.set()
        async with asyncio.timeout(wire.PATIENCE):
            return await asyncio.gather(*tasks)

    with running(tmp_path, models=root) as server:
        server.wait_until_ready()
        seen = asyncio.run(everyone(int(server.address.rpartition(":")[2]), server))
        assert set().union(*seen) == {1, 2, 3, 4, 5, 6}
        assert server.errors() == ""
        assert not [line for line in server.lines() if "kind" in line]
        assert server.stop() == 0


def _fragile_graph() -> bytes:
    """The small graph, which raises where a row's first feature exceeds 1e30."""
    model = onnx.load_model_from_string(bundles.graph())
    tensors = {
        "fragile_column": np.array([0], np.int64),
        "fragile_limit": np.float32(1e30),
        "fragile_table": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("Gather", [INPUT, "fragile_column"], ["fragile_first"], axis=1),
        helper.make_node("Greater", ["fragile_first", "fragile_limit"], ["fragile_beyond"]),
        helper.make_node("Cast", ["fragile_beyond"], ["fragile_index"], to=TensorProto.INT64),
        # Index 1 is outside a table of one entry.
        helper.make_node("Gather", ["fragile_table", "fragile_index"], ["fragile_zero"]),
        helper.make_node("Add", ["whole_logit", "fragile_zero"], ["logit"]),
    ]
    for node in model.graph.node:
        for number, name in enumerate(node.output):
            if name == "logit":
                node.output[number] = "whole_logit"
    last = next(i for i, node in enumerate(model.graph.node) if "whole_logit" in node.output)
    rest = list(model.graph.node[last + 1 :])
    del model.graph.node[last + 1 :]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()
    )
    return bytes(model.SerializeToString())


def test_a_network_that_raises_fails_its_own_batch_and_nothing_else(tmp_path: Path) -> None:
    """The request is a 500 without details, the log names the kind, and the next one is right."""
    root = tmp_path / "repository"
    root.mkdir()
    bundles.publish(root, model=_fragile_graph())
    good = bundles.candidates(5)
    bad = good.copy()
    bad[2, 0] = 2e30
    with running(tmp_path, models=root) as server:
        server.wait_until_ready()
        for size in (1, 300, 1):
            answer = wire.ask(server, wire.post(wire.predict_body(np.repeat(bad, size, axis=0))))
            wire.check_refused(answer, 500)
            wire.check_right(wire.ask(server, wire.post(wire.predict_body(good))), good)
        assert server.client.get("/health/ready").status_code == 200
        assert [line["status"] for line in server.lines() if "kind" in line] == [500] * 3
        assert server.errors() == ""
        assert server.stop() == 0
