"""A report of a run, or of several, as one HTML file.

Belongs here: the page, its table of spans, and the chart to move about in that it embeds. Does not belong here: drawing
(``plot``, ``widgets.timeline``) and what the numbers mean (``analysis``).
"""
