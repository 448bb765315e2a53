"""Encoders to compare with, by name: raw pixels, random weights, and networks trained with labels.

    mean              a constant: one zero
    pixels            raw pixels of the network's window
    random[:SEED]     the encoder of the preset small, untrained
    dlib-identity     dlib's face recognition network
    vgg-face:FILE     the VGG-Face descriptor, from a weights file
    timm:NAME         a pretrained backbone of timm

All are `Embedder`s and take the same face crops as a trained encoder.
"""
