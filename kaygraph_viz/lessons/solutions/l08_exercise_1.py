"""Branches that share nothing: each returns its number, and the caller adds them up.

- Which line reads and writes a value that all branches share?
- What if `count` only returned its number? The outcomes of `imap` carry the values.
"""


def my_count_all():
    def count(text):
        kv.sleep(0.01)
        return len(text.split())

    with kv.get_executor("thread", 4) as executor:
        return sum(outcome.value for outcome in executor.imap(count, texts))
