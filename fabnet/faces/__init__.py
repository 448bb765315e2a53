"""From a picture to a face: detectors, the crop, the network's window, points, head pose."""
