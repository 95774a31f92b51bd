"""Two parts at once: pricing with the questions that depend on it, and the checks.

- Asking needs the best customers, so it comes after pricing. Which part does checking need?
- The first part of the report is a `kv.FanOutNode` with two branches: a graph of two nodes, and a single node.
"""

both = kv.FanOutNode({"best customers": in_a_row(pricing(), asking()), "new customers": checking()})
report = in_a_row(both, counting())

my_page, at_once = shop.run(report)
kv.gantt(at_once, group_by="node", labels=False, title="My run: parts at once", end_s=mine.makespan_s)
