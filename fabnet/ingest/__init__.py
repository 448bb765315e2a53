"""`track` and `import`: raw videos and folders of frames into a track store."""
