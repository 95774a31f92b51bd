"""Two workers that are processes: their work overlaps, not only their waits.

- Which of the two arguments is the number of workers? You need two.
- Computing overlaps only if each worker has hands of its own. Which kind of worker was that?
"""

minute = 1  # simulated again

with kv.record(clock="virtual") as mine:
    breakfast("process", 2)

mine
