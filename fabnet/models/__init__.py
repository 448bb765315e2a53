"""The networks and the warp: tensors in, tensors out.

Shape letters used here: B batch, S sources, C channels, H, W height and width, D embedding.
"""
