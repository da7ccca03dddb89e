"""Run by kserve's environment: asks a server with ``InferenceRESTClient`` and prints what it heard.

``ask_with_kserve.py ADDRESS CANDIDATES SMILES``, the last two as JSON.
"""

import asyncio
import json
import sys

import httpx
import kserve
import numpy as np
from kserve.inference_client import RESTConfig


def request(model: str, name: str, rows: np.ndarray, *, binary: bool) -> kserve.InferRequest:
    """One input, its numbers or its strings as JSON or as a binary tensor."""
    datatype = "FP32" if rows.dtype == np.float32 else "BYTES"
    tensor = kserve.InferInput(name, list(rows.shape), datatype)
    tensor.set_data_from_numpy(rows, binary_data=binary)
    parameters = {"binary_data_output": True} if binary else None
    return kserve.InferRequest(model, [tensor], parameters=parameters)


async def ask(address: str, candidates: list, smiles: list) -> dict:
    """Ask everything that the client can."""
    heard: dict = {}
    rows = {
        "htru2": ("features", np.array(candidates, np.float32)),
        "tox21": ("smiles", np.array([each.encode() for each in smiles], object)),
    }
    async with kserve.InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        heard["live"] = await client.is_server_live(address)
        heard["ready"] = await client.is_server_ready(address)
        heard["htru2 ready"] = await client.is_model_ready(address, "htru2")
        heard["nobody ready"] = await client.is_model_ready(address, "nobody")
        for model, (name, array) in rows.items():
            for binary in (False, True):
                asked = request(model, name, array, binary=binary)
                answer = await client.infer(address, asked, model_name=model)
                outputs = {each.name: each.as_numpy().tolist() for each in answer.outputs}
                # The client does not pass on the model_version of a JSON answer.
                told = {"model": answer.model_name, "outputs": outputs}
                heard[f"{model} {'binary' if binary else 'json'}"] = told
        plain = {"inputs": [{"name": "features", "shape": [1, 7], "datatype": "FP32", "data": [0] * 7}]}
        try:
            await client.infer(address, plain, model_name="htru2")
        except httpx.HTTPStatusError as error:
            heard["error"] = str(error)
    return heard


if __name__ == "__main__":
    found = asyncio.run(ask(sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])))
    sys.stdout.write(json.dumps(found))
