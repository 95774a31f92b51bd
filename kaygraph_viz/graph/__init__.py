"""Nodes and graphs: KayGraph's node language, prep -> exec -> post, joined by ``a >> b`` and ``a - "action" >> b``.

Belongs here: nodes, graphs and how they are wired. Does not belong here: workers (``execute``), real tasks
(``course``).
"""
