"""Formats of other tools: writing traces in them, and reading their files as traces.

Belongs here: one module for each format. Does not belong here: our own format (``trace.files``), and a report, which
needs pictures (``html_report``).
"""
