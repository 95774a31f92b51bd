"""Branches on this machine: one after the other, in threads, in processes, or simulated."""
