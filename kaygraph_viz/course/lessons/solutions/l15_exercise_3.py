"""A deadline that is passed to the call itself.

- The `timeout=0.3` of a node abandons a thread that is late, but cannot stop it: it still waits, and the service still
  has its request. Try it, and look for hatched bars: how many requests are there at once?
- Only `shop.ask` itself can stop waiting: `help(shop.ask)` shows its arguments.
"""


class AskInTime(AskServices):
    def exec(self, question):
        return shop.ask(*question, patience_s=0.3)


def asking_in_time():
    return AskInTime(max_workers=6, executor="thread")


my_bad_page, in_time = shop.run(in_a_row(pricing(), asking_in_time(), checking(), counting()), hang_rate=0.67)
kv.gantt(in_time, group_by="node", labels=False, title="My run on a bad Monday")
