"""How work is run: worker processes, a Ray cluster, threads, memory, interrupts, progress."""
