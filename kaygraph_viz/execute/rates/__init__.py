"""The parts of a limit on the calls to a service, which ``rate_limit`` puts together.

Belongs here: how much may begin in a window of time (``turns``), how many calls may be in progress at once
(``in_flight``), whose turn it is (``turns``), and asking from other processes (``remote``). Does not belong here:
running branches (``execute``).
"""
