"""Chunks of some days, and only the measurements that a chunk needs.

- Look at `kv.gantt(mine)`: what do the workers do most of the time? How many messages are there, and what is in one?
- A day needs its own 24 measurements, and not those of the whole year. `weather.years["north"][0]` is one day.
- Put 15 to 100 days into each part; then `my_work` returns a list, and `my_results` joins the lists to a single one.
"""


def my_parts():
    days = [day for year in weather.years.values() for day in year]
    return [days[start : start + 40] for start in range(0, len(days), 40)]


def my_work(part):
    return [weather.evaluate(day) for day in part]


def my_results(results):
    return [number for chunk in results for number in chunk]


answers, mine = weather.on_cluster(my_work, my_parts())
my_answers = my_results(answers)
