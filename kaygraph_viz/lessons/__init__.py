"""Lessons: the predictions, grades, hints and solutions of a notebook.

Belongs here: what a notebook uses beside the library itself. Does not belong here: the notebooks (``notebooks/``),
panels (``widgets``).

>>> from kaygraph_viz.lessons.lesson import Lesson
>>> lesson = Lesson("00_start_here")
>>> guess = lesson.predict("How many times as fast are two workers?", 2)
>>> guess.compare(1.9)
You predicted 2; the result was 1.9: very close.
"""
