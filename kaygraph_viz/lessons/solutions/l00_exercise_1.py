"""Two workers that are processes: their work overlaps, not only their waits.

- Two things at once: which of the two arguments says how many workers there are?
- Work overlaps only where each worker has hands of its own. Which kind of worker has?
"""

minute = 1  # simulated again

with kv.record(clock="virtual") as mine:
    breakfast("process", 2)

mine
