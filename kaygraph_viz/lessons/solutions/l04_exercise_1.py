"""Four processes in place of one; mapper and reducer are unchanged.

- Processes can share the computing. How many processes does the cell use?
- Does the result change with `max_workers=4`? Look at what the grade compares.
"""


def decades_in(speech):
    kv.cost(60e-9 * len(speech.text))
    for word in re.findall(r"[a-z']+", speech.text.lower()):
        yield word, speech.year // 10 * 10


def each_once(word, decades):
    kv.cost(3e-6)
    return tuple(sorted(set(decades)))


with kv.record(clock="virtual") as mine:
    node = kv.MapReduceNode(decades_in, each_once, max_workers=4, executor="process")
    node.run(index := {"items": speeches})

kv.gantt(mine, labels=False, title="My run")
