"""Pictures of a trace and of a graph.

Belongs here: geometry (``layout``, ``scene``), colours (``style``) and what touches a matplotlib Axes (``gantt``,
``diagram``). Does not belong here: arithmetic on times (``analysis``) and controls (``widgets``).

No function here calls ``plt.show``, selects a backend or changes a global setting.
"""
