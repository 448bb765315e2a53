"""Video and faces: frames out of files, faces out of frames, tracks out of faces."""

from __future__ import annotations

from fabnet.video.crop import CropSpec, crop_box, cut, to_crop
from fabnet.video.decode import Frame, VideoInfo, read_frames, video_info
from fabnet.video.detect import Detection, Detector, load_detector, load_photo_detector
from fabnet.video.faces import Face, crop_faces
from fabnet.video.track_video import TrackedFace, VideoStats, track_video

__all__ = [
    "CropSpec",
    "Detection",
    "Detector",
    "Face",
    "Frame",
    "TrackedFace",
    "VideoInfo",
    "VideoStats",
    "crop_box",
    "crop_faces",
    "cut",
    "load_detector",
    "load_photo_detector",
    "read_frames",
    "to_crop",
    "track_video",
    "video_info",
]
