"""Face detectors behind one interface: an image in, boxes with five points and a score out."""
