"""Protocol v2 over gRPC, on a port of its own: the extra ``grpc``."""
