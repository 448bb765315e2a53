"""From a video file to face-tracks: decoding, shots, linking, smoothing."""
