"""Answers to the exercise of lesson 04: the average year of each word, with much less to send."""

from tests.notebooks.cases import Case

YEARS_OF = """
def years_of(speech):
    for word in words_of(speech.text):
        yield word, speech.year
"""
AVERAGE = """
def average(word, years):
    return round(sum(years) / len(years), 1)
"""
OF_PARTS = """
def average(word, parts):
    return round(sum(total for total, _ in parts) / sum(number for _, number in parts), 1)
"""
RUN = """
with kv.record(clock="virtual") as mine:
    node.run(found := {"items": speeches})
"""

CASES = [
    Case("solution", "the shipped one", grade="6 of 6"),
    Case("untouched", "a year for every word", grade="5 of 6", says="it was 1.0 times as fast"),
    Case(
        "right",
        "the mapper adds up by itself",
        """
def totals(speech):
    return {word: (speech.year * n, n) for word, n in Counter(words_of(speech.text)).items()}

def average(word, parts):
    years, numbers = zip(*parts)
    return round(sum(years) / sum(numbers), 1)

node = TextMapReduce(totals, average, max_workers=4, executor="process")
"""
        + RUN,
        grade="6 of 6",
    ),
    Case(
        "right",
        "ten texts in a branch, as keyword arguments",
        YEARS_OF
        + OF_PARTS
        + """
def combine(word, years):
    return [sum(years), len(years)]

node = TextMapReduce(mapper=years_of, reducer=average, combiner=combine, max_workers=4, executor="process",
                     chunk_size=10)
"""
        + RUN,
        grade="6 of 6",
    ),
    Case(
        "right",
        "a Counter of years for each word",
        """
class Years(dict):
    def update(self, other):
        for word, (years, number) in other.items():
            old_years, old_number = self.get(word, (0, 0))
            self[word] = old_years + years, old_number + number

def totals(speech):
    return {word: (speech.year * n, n) for word, n in Counter(words_of(speech.text)).items()}
"""
        + OF_PARTS
        + """
node = TextMapReduce(totals, average, Years, max_workers=4, executor="process", chunk_size=5)
"""
        + RUN,
        grade="6 of 6",
    ),
    Case(
        "wrong",
        "an average of averages",
        YEARS_OF
        + AVERAGE
        + """
node = TextMapReduce(years_of, average, average, max_workers=4, executor="process")
"""
        + RUN,
        grade="4 of 6",
        says="for 'to' it gives 1850.5, expected 1834.0",
    ),
    Case(
        "wrong",
        "only the first year of each text",
        YEARS_OF
        + AVERAGE
        + """
node = TextMapReduce(years_of, average, lambda word, years: years[0], max_workers=4, executor="process")
"""
        + RUN,
        grade="4 of 6",
    ),
    Case(
        "wrong",
        "more workers in place of a combiner",
        YEARS_OF
        + AVERAGE
        + """
node = TextMapReduce(years_of, average, max_workers=16, executor="process", partitions=32)
"""
        + RUN,
        grade="4 of 6",
        says="16 branches ran at once",
    ),
    Case(
        "wrong",
        "a reducer that does not know about the combiner",
        YEARS_OF
        + AVERAGE
        + """
node = TextMapReduce(years_of, average, lambda word, years: (sum(years), len(years)), max_workers=4,
                     executor="process")
"""
        + RUN,
        grade="0 of 6",
        says="unsupported operand",
    ),
    Case(
        "cheat",
        "answers that are known already",
        """
known = dict(plain_years["result"])
node = TextMapReduce(
    lambda speech: known.items() if speech.speech_id == speeches[0].speech_id else (),
    lambda word, values: values[0], max_workers=4, executor="process",
)
"""
        + RUN,
        grade="5 of 6",
        says="it gives None, expected 1834.0",
    ),
    Case(
        "cheat",
        "a node for which work costs nothing",
        YEARS_OF
        + AVERAGE
        + """
node = kv.MapReduceNode(years_of, average, max_workers=4, executor="process")
"""
        + RUN,
        grade="4 of 6",
        says="about 0% of all letters were read",
    ),
    Case(
        "cheat",
        "every second text",
        YEARS_OF
        + AVERAGE
        + """
node = TextMapReduce(years_of, average, max_workers=4, executor="process")
with kv.record(clock="virtual") as mine:
    node.run(found := {"items": speeches[::2]})
""",
        grade="4 of 6",
        says="of all letters were read",
    ),
]
