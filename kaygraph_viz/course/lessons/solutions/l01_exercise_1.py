"""Records side by side, with all checks of a record in one branch.

- Look at the chart: is there ever more than one long bar at the same time?
- Each record has only one wait. Which waits can overlap: those of one record, or those of many records?
- Use a `kv.ParallelBatchNode` over the records, with `max_workers=6`; its `exec` makes the four checks of one record.
"""


def check_all(records, checks):
    """Return the findings of each record, by the name of the check."""

    class CheckRecords(kv.ParallelBatchNode):
        def prep(self, shared):
            return shared["records"]

        def exec(self, record):
            return {name: check(record) for name, check in checks.items()}

        def post(self, shared, records, findings):
            shared["findings"] = findings

    shared = {"records": records}
    CheckRecords(max_workers=6).run(shared)
    return shared["findings"]


with kv.record(clock="virtual", capture="all") as mine, shop.open_checks(customers) as my_checks:
    my_findings = check_all(records, my_checks)

kv.gantt(mine, title="My run", labels=False)
