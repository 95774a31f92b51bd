"""The parallel patterns, each worked out on a real task.

Belongs here: code that knows a task (a customer record, an address, an order) and the graphs that solve it.
Does not belong here: anything that would be of use without the task; that is ``graph`` or ``execute``.
"""
