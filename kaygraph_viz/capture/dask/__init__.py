"""Capturing Dask: its local schedulers and its clusters."""
