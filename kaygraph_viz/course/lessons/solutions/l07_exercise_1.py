"""Asking and computing in one branch, in eight processes; only collecting the results is serial.

- Look at the chart: what do the sixteen threads do while `main` computes? Which line of the class is that?
- A branch can ask and compute. Then `post` only collects the results.
- To compute in branches gains nothing as long as they share one interpreter: which kind of worker has its own?
- How many? Not more than the offices allow. `kv.what_if(mine).best_workers` says whether fewer are enough.
"""


class MyReport(Ask):
    def exec(self, country):
        return forecast(ask(country))

    def post(self, shared, countries, forecasts):
        shared["report"] = dict(zip(countries, forecasts, strict=True))


my_report, mine = make_report(MyReport, 8, "process")
kv.gantt(mine, labels=False, title="My run")
