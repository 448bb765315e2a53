"""The page of `fabnet serve`, which shows an embeddings dataset in a browser.

The page is plain JavaScript without a framework, so that the files in the package are the files that run: nothing is
built, and nothing is loaded from elsewhere.
"""
