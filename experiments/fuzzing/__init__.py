"""What experiments/fuzz.py is made of: mutations, samples to mutate, what is called on them, and the processes."""
