"""Files and folders: where they lie, limits on what is read, whole and durable outputs, Lance datasets."""
