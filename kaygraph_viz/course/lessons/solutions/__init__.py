"""Solutions of the exercises, one file each, so that no notebook contains them.

Belongs here: ``lNN_exercise_M.py``, which replaces the cell of exercise M in lesson NN, and ``lNN_puzzle_M.py``, whose
lines puzzle M shuffles. The docstring of an exercise says what the solution does; its list items are the hints, of
which the first tells least. A test fills solutions into the notebooks and runs them.
"""
