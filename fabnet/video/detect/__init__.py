"""Face detection behind one interface: an image in, boxes with five points and a score out."""

from __future__ import annotations

from fabnet.video.detect.detection import Detection, Detector, NamedDetector, follow
from fabnet.video.detect.load import DETECTORS, load_detector
from fabnet.video.detect.photos import load_photo_detector

__all__ = ["DETECTORS", "Detection", "Detector", "NamedDetector", "follow", "load_detector", "load_photo_detector"]
