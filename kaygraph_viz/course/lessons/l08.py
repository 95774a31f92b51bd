"""Lesson 8: what goes wrong where branches share something."""

SOLUTIONS = {
    "exercise_1": '''
"""Branches that share nothing: each returns its number, and the caller adds them up.

- Which line reads and writes a value that all branches share?
- What if `count` only returned its number? The outcomes of `imap` carry the values.
"""


def my_count_all(texts):
    def count(text):
        return len(read(text))

    with kv.get_executor("thread", 4) as executor:
        return sum(outcome.value for outcome in executor.imap(count, texts))
''',
}
