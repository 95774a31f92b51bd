"""One call with all 24 branches on a Dask cluster.

- The two lists do not depend on each other: they can be one list.
- Which kind of executor, and how many workers, run at least six branches at once?
"""


def survey():
    with kv.get_executor("dask", 12) as executor:
        return [outcome.unwrap() for outcome in executor.imap(fit, stations + stations)]


with kv.record(clock="virtual") as mine:
    surveyed = survey()
