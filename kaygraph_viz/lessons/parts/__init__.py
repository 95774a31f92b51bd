"""What only one lesson uses: one module for each, ``l00`` for lesson 0.

Belongs here: a lesson's data, its services, and goals of its own. Does not belong here: goals that several lessons use
(``lessons.goals``).
"""
