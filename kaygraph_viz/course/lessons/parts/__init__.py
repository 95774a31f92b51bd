"""What single lessons need beside the library: one module for each lesson, ``l07`` for lesson 7.

Belongs here: what only that lesson uses, so that its set-up is one line. Does not belong here: what every lesson uses
(``lesson``, ``goals``), and code that the reader should see (the notebook).
"""
