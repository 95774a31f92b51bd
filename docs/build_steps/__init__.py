"""What the site does while it is built, beside writing pages.

Belongs here: Sphinx extensions of the site, one module each, and the check of the finished pages.
Does not belong here: the settings of Sphinx (``conf.py``), text for readers (the pages).
"""
