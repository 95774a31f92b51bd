"""Solutions of the exercises, one file each, so that no notebook gives them away.

Belongs here: ``lNN_exercise_M.py``: what takes the place of the cell of exercise M in lesson NN. The docstring says
what the solution does; its list items are the hints, the first one gives least away. A test fills them into the
notebooks and runs them.
"""
