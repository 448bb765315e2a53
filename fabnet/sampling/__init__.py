"""Which frames a step is trained on, how they are cropped, and how they reach the trainer.

Shape letters: B batch, S sources, H, W height and width.
"""
