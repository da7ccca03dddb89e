"""MLServer: a custom runtime, as its documentation writes one."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import Network


class Net(MLModel):
    """The network behind the v2 protocol."""

    async def load(self) -> bool:
        """Open the session."""
        self._network = Network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Compute one request, or what adaptive batching has put together."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        answer = NumpyCodec.encode_output("probability", self._network(rows))
        return InferenceResponse(model_name=self.name, outputs=[answer])
