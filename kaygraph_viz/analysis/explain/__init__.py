"""Explanation of why a run was not faster."""
