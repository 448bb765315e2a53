"""Upkeep of stores, datasets and runs: what they hold, whether they are sound, compacting, removing people."""
