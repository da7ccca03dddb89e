"""onnxruntime sessions and the devices that they run on."""
