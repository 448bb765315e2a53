"""Encoders to compare with, by name: what raw pixels, chance and networks trained with labels know.

    mean              nothing: one zero
    pixels            raw pixels of the network's window
    random[:SEED]     the encoder of the preset small, untrained
    dlib-identity     dlib's face recognition network
    vgg-face:FILE     the VGG-Face descriptor, from a weights file
    timm:NAME         a pretrained backbone of timm

All take the same face crops as a trained encoder and have its surface: they are `Embedder`s.
"""
