"""A combiner that sends a sum and a number for each word, and a reducer that divides only at the end.

- Look at the two charts: reduce is the long step, since it gets a value for every single word. What makes one value of
  many, at the end of each map branch?
- The average of averages is not the average. Which two numbers about the years of one text are enough to get the
  average of all of them?
- Let the combiner return `(sum(years), len(years))`. The reducer gets a list of such pairs: add up the sums, add up the
  numbers, and divide.
"""


def years_of(speech):
    for word in words_of(speech.text):
        yield word, speech.year


def sum_and_number(word, years):
    return sum(years), len(years)


def average(word, parts):
    total = sum(years for years, number in parts)
    return round(total / sum(number for years, number in parts), 1)


node = TextMapReduce(years_of, average, sum_and_number, max_workers=4, executor="process")
with kv.record(clock="virtual") as mine:
    node.run(found := {"items": speeches})

kv.gantt({"before": before, "my run": mine}, labels=False)
