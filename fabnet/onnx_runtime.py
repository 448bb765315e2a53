"""ONNX Runtime without its telemetry, which looks up a host from every process that embeds: import it from here."""

from __future__ import annotations

import os

for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # read when it is imported, by its versions
    os.environ[_name] = "1"

import onnxruntime  # noqa: E402

__all__ = ["onnxruntime"]

if hasattr(onnxruntime, "disable_telemetry_events"):
    onnxruntime.disable_telemetry_events()  # where something else had imported it before
