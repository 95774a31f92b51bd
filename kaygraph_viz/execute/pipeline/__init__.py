"""Pipelines: stages with workers of their own, and bounded queues between them."""
