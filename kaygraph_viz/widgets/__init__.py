"""Controls for notebooks: the only floor that touches ipywidgets.

Belongs here: panels that run a pattern and show its trace. Does not belong here: drawing (``plot``) and running
(``execute``, ``graph``).
"""
