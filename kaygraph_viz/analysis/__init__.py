"""Arithmetic on the times of a trace: what was parallel, how long, and how much of it helped.

Belongs here: numbers computed from the columns of a trace. Does not belong here: recording (``trace``), running
(``execute``), and drawing (``plot``).
"""
