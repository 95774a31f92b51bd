"""What only one lesson uses: its charts, its data and what its exercises are checked with.

Belongs here: ``lNN.py`` for lesson NN, so that its notebook needs one import line. Does not belong here: what several
lessons use.
"""
