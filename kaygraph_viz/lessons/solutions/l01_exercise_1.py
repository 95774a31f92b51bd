"""Records side by side, with all checks of a record in one branch.

- Look at the chart: is there ever more than one long bar at the same time?
- Each record has only one wait. Which waits can overlap: those of one record, or those of many records?
- Use a `kv.ParallelBatchNode` over the records, with `max_workers=6`; its `exec` makes the four checks of one record.
"""


class CheckRecords(kv.ParallelBatchNode):
    def __init__(self, checks, **options):
        super().__init__(**options)
        self.checks = checks

    def prep(self, shared):
        return shared["records"]

    def exec(self, record):
        return {name: check(record) for name, check in self.checks.items()}

    def post(self, shared, records, findings):
        shared["findings"] = findings


def check_all(records, checks):
    """Return the findings of each record, by the name of the check."""
    shared = {"records": records}
    CheckRecords(checks, max_workers=6).run(shared)
    return shared["findings"]


with kv.record(clock="virtual") as mine, local_checks(customers, ServiceSettings(latency_s=0.05)) as my_checks:
    my_findings = check_all(records, my_checks)

kv.gantt(mine, title="My run", labels=False)
