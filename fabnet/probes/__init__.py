"""Probes: what an embedding knows, by linear maps from frozen features, on the field's benchmarks."""
