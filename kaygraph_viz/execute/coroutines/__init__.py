"""Branches as coroutines of one event loop."""
