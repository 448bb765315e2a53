"""The verb live: the faces of a camera or stream, read as they come, in the terminal and on a page."""
