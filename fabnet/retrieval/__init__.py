"""Retrieval: the nearest faces of an embeddings dataset, exact or by an index, with filters in the query."""

from __future__ import annotations

from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.search import SearchResult, search

__all__ = ["Gallery", "SearchResult", "search"]
