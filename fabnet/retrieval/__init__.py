"""Retrieval: the nearest faces of an embeddings dataset, exact or by an index, with filters in the query."""
