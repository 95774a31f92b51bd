"""Lesson 0: two workers instead of one."""

SOLUTIONS = {
    "exercise_1": '''
"""Two workers that are processes: their work overlaps, not only their waits.

- Which of the two arguments is the number of workers? You need two.
- The other argument is the kind of worker. `"serial"` is one thing after the other. Which two kinds came later?
"""

with kv.record(clock="virtual") as mine:
    breakfast("process", 2)

kv.gantt(mine, title="My breakfast")
''',
}
