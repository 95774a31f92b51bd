"""Simulated time: the same programs, run on a deterministic schedule.

Belongs here: who runs when (``scheduler``), the clock that users see (``clock``), and threads, locks and loops that
wait in simulated time. Does not belong here: what is run (``execute``) and what is recorded (``trace``).
"""
