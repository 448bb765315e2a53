"""The verb teach: a user's own encoder gets a face reader, fitted to the shipped encoder's readings of a store."""
