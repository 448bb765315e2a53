"""The baselines by name."""

from __future__ import annotations

from pathlib import Path

from fabnet.encoders.baselines.dlib_identity import load_dlib_identity
from fabnet.encoders.baselines.mean import load_mean
from fabnet.encoders.baselines.pixels import load_pixels
from fabnet.encoders.baselines.timm_backbone import load_timm
from fabnet.encoders.baselines.untrained import load_untrained
from fabnet.encoders.baselines.vgg_face import load_vgg_face
from fabnet.encoders.embedder import Embedder
from fabnet.errors import ModelError

__all__ = ["BASELINES", "is_baseline", "load_baseline"]

BASELINES = {
    "mean": "a constant: probes predict the mean of their training faces",
    "pixels": "raw pixels of the network's window",
    "random[:SEED]": "the encoder of the preset small, untrained",
    "dlib-identity": "dlib's face recognition network",
    "vgg-face:FILE": "the VGG-Face descriptor, from vgg-face.mat or vgg_face_dag.pth",
    "timm:NAME": "a pretrained backbone of timm",
}
"""Forms of the baselines' names, and what each baseline is."""


def is_baseline(name: str) -> bool:
    """Whether a name has the form of a baseline's name."""
    kind, colon, _ = name.partition(":")
    return kind in {known.partition(":")[0].partition("[")[0] for known in BASELINES} and (
        not colon or kind in ("random", "vgg-face", "timm")
    )


def load_baseline(name: str, *, device: str = "auto") -> Embedder | None:
    """Load a baseline.

    Args:
        name: name of the baseline, one of `BASELINES`.
        device: device of those that run on torch: "auto", "cpu", "cuda" or "cuda:N".

    Returns:
        The encoder; None if the name is not a baseline's.

    Raises:
        ModelError: the part after the colon is missing or wrong, or the model cannot be loaded.
        MissingDependencyError: a package that it needs is not installed.
    """
    kind, _, rest = name.partition(":")
    if name == "mean":
        return load_mean()
    if name == "pixels":
        return load_pixels()
    if name == "dlib-identity":
        return load_dlib_identity()
    if name == "random":
        return load_untrained(device=device)
    if kind == "random":
        if not (rest.isascii() and rest.isdigit()):
            raise ModelError(f"random takes a seed, an integer of 0 or more; got {name!r}; expected e.g. random:7")
        return load_untrained(int(rest), device=device)
    if kind in ("vgg-face", "timm"):
        if not rest:
            what = "its weights file" if kind == "vgg-face" else "a backbone's name"
            raise ModelError(f"{kind} needs {what}; expected {kind}:{'FILE' if kind == 'vgg-face' else 'NAME'}")
        return load_vgg_face(Path(rest), device=device) if kind == "vgg-face" else load_timm(rest, device=device)
    return None
