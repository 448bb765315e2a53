"""Video and faces: frames out of files, faces out of frames, tracks out of faces."""

from __future__ import annotations

from fabnet.video.crop import CropSpec, crop_box, cut, to_crop
from fabnet.video.decode import Frame, VideoInfo, read_frames, video_info
from fabnet.video.detect import Detection, Detector, load_detector
from fabnet.video.faces import Face, crop_faces

__all__ = [
    "CropSpec",
    "Detection",
    "Detector",
    "Face",
    "Frame",
    "VideoInfo",
    "crop_box",
    "crop_faces",
    "cut",
    "load_detector",
    "read_frames",
    "to_crop",
    "video_info",
]
