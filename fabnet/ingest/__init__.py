"""`track` and `import`, which fill a track store from raw videos and from folders of frames."""
