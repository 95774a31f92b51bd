"""Processes for the parts that compute, threads for those that wait.

- Look at the chart: which parts are dark, and which are light? Dark parts need `executor="process"`.
- How many cores are there, and how many requests are allowed? More workers would break the rules.
- Pricing has a few long orders, and `PriceOrders` has a method `cost`: `schedule="longest-first"` starts with them.
"""


def pricing():
    return PriceOrders(max_workers=4, executor="process", schedule="longest-first")


def asking():
    return AskServices(max_workers=6, executor="thread")


def checking():
    return CheckCustomers(max_workers=6, executor="thread")


def counting():
    return CountPanels(max_workers=3, executor="process")


my_page, mine = shop.run(in_a_row(pricing(), asking(), checking(), counting()))
kv.gantt(mine, group_by="node", labels=False, title="My run: each part with workers of its own")
