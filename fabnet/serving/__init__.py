"""The page: an embeddings dataset to look at in a browser, by `fabnet serve`."""

from __future__ import annotations

from fabnet.serving.serve import ServeResult, serve

__all__ = ["ServeResult", "serve"]
