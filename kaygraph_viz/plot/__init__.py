"""Pictures of a trace and of a graph, and each of them in words.

Belongs here: the charts in ``gantt``, ``diagram`` and ``curves``, each with its geometry, its drawing and its text, and
what they share: the Axes (``canvas``), colours, sizes and legends (``style``), rows, texts and descriptions. Does
not belong here: arithmetic on times (``analysis``) and controls (``widgets``).

No function here calls ``plt.show``, selects a backend or changes a global setting. Each takes ``ax=None``, returns the
Axes, and attaches a description that `describe` returns.
"""
