"""The slow call first, and six threads.

- Draw the chart: `kv.gantt(mine, color_by="name")`. Which call begins last, and what do the threads do meanwhile?
- Two lines have to change: the one with the number of threads, and the place of the one that submits `accounts`.
"""


def my_collect(client):
    with ThreadPoolExecutor(6) as pool:
        friends = pool.submit(accounts, client, customers[0])
        places = [pool.submit(place, client, customer) for customer in customers]
    return [each.result() for each in places], friends.result()


my_result, mine = simulated(my_collect)
