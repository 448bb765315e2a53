"""An encoder applied: photos, videos and stores to rows of embeddings and attributes."""
