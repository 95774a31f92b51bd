"""Executors: every kind of worker behind one interface.

Belongs here: pulling items, running a branch with its attempts, deadlines, delivering outcomes.
Does not belong here: what the branches are for (``graph``) and how spans are kept (``trace``).
"""
