"""Pictures of a trace and of a graph, and each of them in words.

Belongs here: geometry (``chart``, ``layout``, ``bins``, ``steps``, ``path``, ``scene``), colours (``style``), what
touches a matplotlib Axes (``gantt``, ``concurrency``, ``queues``, ``speedup``, ``pairs``, ``diagram``), and their texts
(``description``, ``markup``). Does not belong here: arithmetic on times (``analysis``) and controls (``widgets``).

No function here calls ``plt.show``, selects a backend or changes a global setting. Each takes ``ax=None``, returns the
Axes, and attaches a description that `describe` returns.
"""
