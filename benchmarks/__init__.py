"""Speed and memory as ratios against a peer that is measured in the same run: ``python -m benchmarks``.

Belongs here: one module per subject, each a few functions marked with `benchmarks.harness.benchmark`. Does not belong
here: limits that fail a test; a ratio over its target is shown, and only ``--check`` turns it into an exit code.
"""
