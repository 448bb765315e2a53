"""Protocols: one module per benchmark, each with a function `read(data: Path) -> Benchmark`."""
