"""Running work: worker processes, a Ray cluster, threads, memory, interrupts, progress."""
