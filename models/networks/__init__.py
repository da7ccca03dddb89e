"""Self-normalizing networks as mathematics and as ONNX nodes."""
