"""Formats of other tools: a trace as what they can read, and their files as a trace.

Belongs here: one module for each format. Does not belong here: our own format (``trace.files``), and a report, which
needs pictures (``html_report``).
"""
