"""Upkeep of stores, datasets and runs: shows their contents, verifies and compacts them, removes people."""
