"""The critical path of a run: which spans made it as long as it was."""
