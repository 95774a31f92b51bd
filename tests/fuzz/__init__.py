"""Random programs and random files, each judged by rules that hold for all of them; and a run of many minutes.

Belongs here: ``make fuzz`` and ``make soak``, and a few cases of each as tests. Does not belong here: a fault that they
have found, which gets a test of its own beside the module at fault.

``descriptions`` makes a random graph as plain data and ``functions`` its user code; ``oracle`` says what must come out,
``nodes`` builds the real graph, ``graphs`` runs and compares. ``mutations`` and ``coverage`` make random files for
``files``. ``soak`` does everything again and again and looks for what is left over.
"""
