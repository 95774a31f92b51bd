"""What only a real browser shows: notebooks in JupyterLab, panels, reports opened from a file.

Belongs here: tests that need to click, to see or to listen for requests. Does not belong here: what a kernel alone
(``tests/execute/test_kernel.py``), nbval or a panel without a browser (``tests/widgets``) can show faster.

It is a package so that its browser ends with its last test: while it lives, no other test could run an event loop.
"""
