"""Retrieval: the nearest faces in an embeddings dataset, by exact search or an index, with filters in the query."""
