"""Curves and bars of numbers: concurrency, queue depth, memory, speedup, two runs in pairs."""
