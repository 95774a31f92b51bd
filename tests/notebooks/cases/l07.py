"""Answers to the exercise of lesson 7: a report that waits and computes."""

from __future__ import annotations

from tests.notebooks.cases import Case

ANSWERS = """
    class MyReport(Ask):
        def exec(self, country):
            {exec}

        def post(self, shared, countries, answers):
            {post}


    my_report, mine = make_report(MyReport, {workers})
"""


def report(exec, post="shared['report'] = dict(zip(countries, answers))", workers='8, "process"'):
    """Return the cell with the bodies of both methods."""
    return ANSWERS.format(exec=exec, post=post, workers=workers)


POST_COMPUTES = "shared['report'] = {c: forecast(a) for c, a in zip(countries, answers)}"

CASES = [
    Case("solution", "shipped", grade="6 of 6"),
    Case("untouched", "as in the notebook", grade="3 of 6", says="16 branches ran at once"),
    Case("right", "seven processes and update", report(
        "return country, forecast(ask(country))", "shared['report'] = {}; shared['report'].update(answers)",
        '7, "process"',
    ), grade="6 of 6"),
    Case("right", "variables and a loop", """
        class MyReport(Ask):
            def exec(self, country):
                answer = ask(country)
                result = forecast(answer)
                return result

            def post(self, shared, countries, answers):
                shared["report"] = {}
                for number, country in enumerate(countries):
                    shared["report"][country] = answers[number]


        my_report, mine = make_report(MyReport, workers=8, executor="process")
        kv.gantt(mine)
    """, grade="6 of 6"),
    Case("wrong", "only fewer threads", report("return ask(country)", POST_COMPUTES, '8, "thread"'), grade="4 of 6",
         says="efficiency of 8 workers"),
    Case("wrong", "threads that compute", report("return forecast(ask(country))", workers='8, "thread"'),
         grade="4 of 6", says="times as fast"),
    Case("wrong", "too many processes", report("return forecast(ask(country))", workers='16, "process"'),
         grade="4 of 6", says="16 branches ran at once"),
    Case("wrong", "the answers instead of the forecasts", report("return ask(country)"), grade="4 of 6",
         says="before it was 24.6 s (10.0 s computing)"),
    Case("cheat", "no computing", report("return round(1.1 * ask(country))"), grade="5 of 6",
         says="before it was 24.6 s (10.0 s computing)"),
    Case("cheat", "neither asking nor computing", report("return round(1.1 * orders[country])"), grade="3 of 6",
         says="it would take 0 s (0 s computing)"),
    Case("cheat", "sleeping instead of computing", report(
        "kv.sleep(orders[country] / 1000); return round(1.1 * ask(country))", workers='8, "thread"'),
        grade="5 of 6", says="24.6 s (0 s computing)"),
    Case("cheat", "one country for all", report(
        "return forecast(ask(country))", "shared['report'] = dict(expected)",
    ).replace("        def exec", "        def prep(self, shared):\n            return ['US']\n\n        def exec"),
        grade="4 of 6", says="31 missing"),
    Case("cheat", "the expected report", "my_report, mine = expected, as_given", grade="3 of 6"),
]  # fmt: skip
