"""Predictions from the replay of a recorded run under other conditions."""
