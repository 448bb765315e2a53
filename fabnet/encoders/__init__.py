"""Encoders, which turn face crops into embeddings: loading, torch or ONNX Runtime, export."""
