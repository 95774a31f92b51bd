"""Sampling what threads do while they run, on Linux."""
