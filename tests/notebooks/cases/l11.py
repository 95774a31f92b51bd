"""Answers to the exercise of lesson 11: every order is paid once, although the connection breaks twice."""

from tests.notebooks.cases import Case

STAGES = """
def pay_all(items=few, workers=3):
    stages = [kv.Stage("charge", charge, workers=workers, buffer=4)]
    kv.PipelineNode(stages, node_id="payments", on_error="raise").run(shared := {"items": items})
    return shared["result"].values
"""
RUN = """
with kv.record(clock="virtual") as mine:
    paid = None
    while paid is None:
        try:
            paid = pay_all()
        except ConnectionError as error:
            print("stopped by:", error)
"""


def charging(body, *, before="bank = Bank()\n", run=RUN):
    """Return an answer whose function `charge` has these lines."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{before}\ndef charge(order):\n{lines}\n    return order.order_id\n{STAGES}{run}"


CASES = [
    Case("solution", "the shipped one", grade="4 of 4"),
    Case("untouched", "no key", grade="3 of 4", says="N00001 was booked 3 times, expected once"),
    Case(
        "right",
        "asking the bank first",
        charging("""
if not bank.is_paid(order.order_id):
    bank.charge(order.order_id, order.total_cents)
"""),
        grade="4 of 4",
    ),
    Case(
        "right",
        "a longer key",
        charging('bank.charge(order.order_id, order.total_cents, ("order", order.order_id, order.total_cents))'),
        grade="4 of 4",
    ),
    Case(
        "right",
        "a key, and a second attempt at once",
        """
bank = Bank()

def charge(order):
    bank.charge(order.order_id, order.total_cents, key=order.order_id)
    return order.order_id

with kv.record(clock="virtual") as mine:
    paid = []
    while len(paid) < len(few):
        try:
            stage = kv.Stage("charge", charge, 3, retry=kv.RetryPolicy(2))
            kv.PipelineNode([stage], on_error="raise").run(shared := {"items": few})
            paid = shared["result"].values
            if not bank.has_broken:
                paid = []
        except ConnectionError:
            pass
""",
        grade="4 of 4",
    ),
    Case(
        "wrong",
        "a list of its own",
        charging(
            """
if order.order_id not in done:
    bank.charge(order.order_id, order.total_cents)
    done.add(order.order_id)
""",
            before="bank = Bank()\ndone = set()\n",
        ),
        grade="3 of 4",
        says="was booked 2 times, expected once",
    ),
    Case(
        "wrong",
        "noted before it is paid",
        charging(
            """
if order.order_id not in done:
    done.add(order.order_id)
    bank.charge(order.order_id, order.total_cents)
""",
            before="bank = Bank()\ndone = set()\n",
        ),
        grade="3 of 4",
        says="was booked 0 times, expected once",
    ),
    Case(
        "wrong",
        "a key for each country",
        charging("bank.charge(order.order_id, order.total_cents, key=order.country)"),
        grade="3 of 4",
        says="was booked 0 times",
    ),
    Case(
        "wrong",
        "a new key each time",
        charging(
            "bank.charge(order.order_id, order.total_cents, key=next(numbers))",
            before="bank = Bank()\nnumbers = itertools.count()\n",
        ),
        grade="3 of 4",
        says="was booked 3 times",
    ),
    Case(
        "wrong",
        "one after the other",
        charging(
            "bank.charge(order.order_id, order.total_cents, order.order_id)",
            run=RUN.replace("pay_all()", "pay_all(workers=1)"),
        ),
        grade="3 of 4",
        says="it was 1.0 times as fast",
    ),
    Case(
        "wrong",
        "errors that are not looked at",
        charging(
            """
try:
    bank.charge(order.order_id, order.total_cents)
except ConnectionError:
    pass
"""
        ),
        grade="3 of 4",
        says="N00022 was booked 0 times",
    ),
    Case(
        "cheat",
        "only the orders that are left",
        charging(
            "bank.charge(order.order_id, order.total_cents)",
            run="""
with kv.record(clock="virtual") as mine:
    paid, first = None, 0
    while paid is None:
        try:
            paid = pay_all(few[first:])
        except ConnectionError:
            first = len(bank.bookings)
""",
        ),
        grade="2 of 4",
        says="1 item instead of 24: 23 missing",
    ),
    Case(
        "cheat",
        "a bank that never breaks",
        """
class SafeBank(Bank):
    def charge(self, order_id, cents, key=None):
        kv.sleep(0.05)
        self._bookings.append((order_id, cents))
"""
        + charging("bank.charge(order.order_id, order.total_cents)", before="bank = SafeBank()\n"),
        grade="3 of 4",
        says="the connection did not break twice",
    ),
    Case(
        "cheat",
        "one lock around everything",
        charging(
            """
with lock:
    bank.charge(order.order_id, order.total_cents, key=order.order_id)
""",
            before="from threading import Lock\nbank, lock = Bank(), Lock()\n",
        ),
        grade="3 of 4",
        says="it was 1.0 times as fast",
    ),
    Case(
        "cheat",
        "nothing is paid",
        charging("kv.sleep(0.05)"),
        grade="3 of 4",
        says="the connection did not break twice",
    ),
]
