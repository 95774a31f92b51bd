"""Two pools: a long request can only wait for another long one.

- Look at the chart at 5 s: which requests do the six workers answer, and what do the short ones do meanwhile?
- As long as a worker may take either kind, all six can be busy with long requests. Which workers should never take one?
- Two pools, six workers together. By Little's law, the short requests keep 9 x 0.1 = 0.9 workers busy, and the long
  ones 0.8 x 2 = 1.6. So how many does each kind need at least?
"""


def serve_all(coming):
    with ThreadPoolExecutor(3) as for_short, ThreadPoolExecutor(3) as for_long:
        pools = {"short": for_short, "long": for_long}
        futures = [pools[request.kind].submit(answer, request) for request in coming]
    return [future.result() for future in futures]


my_answers, mine = run_day(serve_all)
kv.gantt(mine, color_by="name", labels=False, title="My run")
