"""The page of `fabnet serve`, which shows an embeddings dataset in a browser."""
