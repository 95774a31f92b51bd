"""What only a real browser shows: notebooks in JupyterLab, panels, reports opened from a file.

Belongs here: tests that need to click, to see or to listen for requests. Does not belong here: what a kernel alone
(``tests/execute/test_kernel.py``), nbval or a panel without a browser (``tests/widgets``) can show faster.

It is a package so that its browser ends with its last test: while it lives, no other test could run an event loop.

One server and one browser serve all tests; they work on copies. `open_notebook(name)` opens one of our notebooks,
`open_cells(*sources)` a new one; both give a `NotebookPage`. Wait for what is shown to change (`wait_for`,
`panel().wait_for_picture_other_than`), never for a time and never for an idle kernel. A request to another computer or
a dialog of the browser fails the test. Without a browser the tests are skipped; with `KAYGRAPH_VIZ_BROWSER=required`,
as in `.ci/run`, they fail.
"""
