"""Embedding: photos, folders, videos and track stores to 256 numbers a face."""

from __future__ import annotations

from fabnet.embedding.embed import EmbedResult, embed
from fabnet.embedding.embedder import Embedder
from fabnet.embedding.load_encoder import load

__all__ = ["EmbedResult", "Embedder", "embed", "load"]
