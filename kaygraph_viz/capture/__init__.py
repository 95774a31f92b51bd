"""Recording programs that know nothing of this package: thread and process pools, tasks, threads, flows.

Belongs here: hooks in the libraries that start parallel work, a module for each subject. Does not belong here:
running anything (``execute``), storing spans (``trace``).

Nothing of the program changes but the time it takes: hooks are there only while a `record` block that wants them is
open, no coroutine is wrapped, nothing is awaited, no library is imported on our account.
"""
