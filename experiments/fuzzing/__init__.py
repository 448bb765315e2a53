"""Parts of experiments/fuzz.py: mutations, samples to mutate, functions to call on them, and worker processes."""
