"""What methods and messages there are, for clients without stubs such as ``grpcurl``.

Source: gRPC's "Server Reflection Protocol"; the messages of ``v1`` and ``v1alpha`` are the same.
"""

from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.grpc.core import Stream
from service.grpc.messages import HEALTH, POOL, SERVICE

#: The services by which clients ask, newest first.
REFLECTION = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)


def reflecting() -> Stream:
    """Return what answers one request of a stream."""
    told = reflection.ReflectionServicer((SERVICE, HEALTH, *REFLECTION), POOL)

    def answer(content: bytes) -> bytes:
        try:
            asked = reflection_pb2.ServerReflectionRequest.FromString(content)
        except DecodeError:
            asked = reflection_pb2.ServerReflectionRequest()  # which asks nothing, and is told so
        (answered,) = told.ServerReflectionInfo(iter((asked,)), None)
        return bytes(answered.SerializeToString())

    return answer
