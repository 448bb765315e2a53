"""Applies an encoder: turns photos, videos and stores into rows of embeddings and attributes."""
