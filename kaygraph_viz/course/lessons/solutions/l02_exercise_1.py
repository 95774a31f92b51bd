"""Eight records at once, and a rate limit for the service that refuses more calls.

- All of it is waiting. Which executor asks the four sources of a record at once, and how many records may run at once?
- With many calls at once, the service refuses some. What keeps the calls to a source below its limit?
- `shop.customer_sources` takes `limits`: a dict from the name of a source to a `kv.RateLimit`, or one for each source.
"""

rules = {"social": shop.ServiceSettings(latency_s=0.06, latency_spread=0.8, rate_limit=20)}

with kv.record(clock="virtual") as mine, shop.serve(rules) as my_server:
    limits = {"social": kv.RateLimit(per_second=20)}
    with shop.customer_sources(my_server.base_url, deadline_s=2, limits=limits) as sources:
        shop.enrichment_graph(sources, max_workers=8, executor="thread").run({"records": customers[100:124]})

kv.gantt(mine, labels=False, title="My run")
