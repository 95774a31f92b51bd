"""Pictures of a trace and of a graph, and each of them in words.

Belongs here: geometry (``gantt.chart``, ``gantt.layout``, ``gantt.bins``, ``curves.steps``, ``gantt.critical_path``,
``diagram.scene``), colours (``style``), what touches a matplotlib Axes (``gantt``, ``curves.concurrency``,
``curves.queues``, ``curves.speedup``, ``curves.pairs``, ``diagram``), and their texts (``description``,
``diagram.markup``). Does not belong here: arithmetic on times (``analysis``) and controls (``widgets``).

No function here calls ``plt.show``, selects a backend or changes a global setting. Each takes ``ax=None``, returns the
Axes, and attaches a description that `describe` returns.
"""
