"""The page: an embeddings dataset to look at in a browser, by `fabnet serve`."""
