"""What turns face crops into an embedding: loading, torch or ONNX Runtime, export."""
