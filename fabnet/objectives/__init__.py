"""Objectives: a batch of frames to a loss per sample. The trainer knows none of them by name."""
