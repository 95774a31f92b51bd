"""The patterns on the shipped data: what ``make demo`` and the command line run.

Belongs here: choosing the data, running a pattern one at a time and in parallel, and the facts that were measured; one
module for each pattern. Does not belong here: the patterns themselves (``patterns``), and showing runs (``report``).
"""
