"""Spans, the recorder that collects them, and the trace that they become.

Belongs here: stamping times, keeping spans small, the invariants, the native file.
Does not belong here: running user code (``execute``) and arithmetic on the times (``analysis``).
"""
