"""`fabnet probe --protocol retrieval`: tests if nearest neighbours among other people share pose, shape and expression.

It ranks instead of probing: nothing is fitted, except for an optional whitening.
"""
