"""Chooses the frames of each training step, crops them and loads them for the trainer.

Shape letters: B batch, S sources, H, W height and width.
"""
