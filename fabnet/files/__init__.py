"""Files and folders: local paths and object stores, limits on input, atomic and durable output, Lance datasets."""
