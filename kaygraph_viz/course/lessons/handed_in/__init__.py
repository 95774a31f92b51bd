"""Notebooks that learners hand in: executed anew in kernels of their own, and graded.

Belongs here: what a teacher uses. Does not belong here: grading itself (``lessons.grade``), printing (``cli``).
"""
