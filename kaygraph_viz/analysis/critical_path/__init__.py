"""The critical path of a run: the spans that made it as long as it was."""
