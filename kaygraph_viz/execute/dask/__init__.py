"""Branches on a Dask cluster."""
