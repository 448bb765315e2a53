"""The track store: a Lance dataset with one row per face crop, its index of tracks, its ledger, its splits."""
