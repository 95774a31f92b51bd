"""Answers to the exercise of lesson 13: eight transfers between four accounts, without a deadlock."""

from __future__ import annotations

from tests.notebooks.cases import Case

CASES = [
    Case("solution", "locks in the order of the names", grade="4 of 4"),
    Case("untouched", "a deadlock", grade="0 of 4", says="in a circle"),
    Case(
        "right",
        "threading.Lock, in the order of the alphabet",
        """
        import threading

        def my_transfers(accounts, transfers):
            locks = {name: threading.Lock() for name in accounts}

            def move(transfer):
                giver, taker, amount = transfer
                low, high = min(giver, taker), max(giver, taker)
                with locks[low], locks[high]:
                    kv.sleep(0.1)
                    book(accounts, transfer)

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "ThreadPoolExecutor, in the order of the accounts",
        """
        from concurrent.futures import ThreadPoolExecutor
        from threading import Lock

        def my_transfers(accounts, transfers):
            order = list(accounts)
            locks = {name: Lock() for name in accounts}

            def move(transfer):
                first, second = sorted(transfer[:2], key=order.index)
                with locks[first]:
                    with locks[second]:
                        book(accounts, transfer)

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(move, transfers))
            return accounts
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "a lock that is not free is not waited for: the first one is given back",
        """
        import random

        def my_transfers(accounts, transfers):
            locks = {name: kv.Lock() for name in accounts}

            def move(transfer):
                giver, taker, amount = transfer
                while True:
                    with locks[giver]:
                        if locks[taker].acquire(blocking=False):
                            book(accounts, transfer)
                            locks[taker].release()
                            return
                    kv.sleep(0.05 + 0.05 * random.random())

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "threads, and a condition that tells which accounts are in use",
        """
        import threading

        def my_transfers(accounts, transfers):
            in_use, changed = set(), threading.Condition()

            def move(transfer):
                names = set(transfer[:2])
                with changed:
                    changed.wait_for(lambda: not in_use & names)
                    in_use.update(names)
                book(accounts, transfer)
                with changed:
                    in_use.difference_update(names)
                    changed.notify_all()

            threads = [threading.Thread(target=move, args=[transfer]) for transfer in transfers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return accounts
        """,
        grade="4 of 4",
    ),
    Case(
        "wrong",
        "no locks",
        """
        def my_transfers(accounts, transfers):
            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(lambda transfer: book(accounts, transfer), transfers))
            return accounts
        """,
        grade="2 of 4",
    ),
    Case(
        "wrong",
        "only the lock of the giver",
        """
        def my_transfers(accounts, transfers):
            locks = {name: kv.Lock() for name in accounts}

            def move(transfer):
                with locks[transfer[0]]:
                    book(accounts, transfer)

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="2 of 4",
    ),
    Case(
        "wrong",
        "no pause between the locks, which only makes the deadlock rare",
        """
        def my_transfers(accounts, transfers):
            locks = {name: kv.Lock() for name in accounts}

            def move(transfer):
                giver, taker, amount = transfer
                with locks[giver], locks[taker]:
                    book(accounts, transfer)

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "wrong",
        "one worker",
        """
        def my_transfers(accounts, transfers):
            with kv.get_executor("thread", 1) as clerks:
                list(clerks.imap(lambda transfer: book(accounts, transfer), transfers))
            return accounts
        """,
        grade="3 of 4",
        says="at most 1 book branch",
    ),
    Case(
        "wrong",
        "one of the names is written wrong",
        """
        def my_transfers(accounts, transfers):
            def move(transfer):
                with lock[transfer[0]]:
                    book(accounts, transfer)

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="0 of 4",
        says="NameError",
    ),
    Case(
        "cheat",
        "one lock for everything",
        """
        def my_transfers(accounts, transfers):
            lock = kv.Lock()

            def move(transfer):
                with lock:
                    book(accounts, transfer)

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="3 of 4",
        says="at most 1 book branch",
    ),
    Case(
        "cheat",
        "a transfer whose account is in use is dropped",
        """
        def my_transfers(accounts, transfers):
            locks = {name: kv.Lock() for name in accounts}

            def move(transfer):
                giver, taker, amount = transfer
                if locks[giver].acquire(blocking=False):
                    if locks[taker].acquire(blocking=False):
                        book(accounts, transfer)
                        locks[taker].release()
                    locks[giver].release()

            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="1 of 4",
        says="there were 2 bookings",
    ),
    Case(
        "cheat",
        "the balances of this day, computed before",
        """
        def my_transfers(accounts, transfers):
            with kv.get_executor("thread", 4) as clerks:
                list(clerks.imap(lambda transfer: book(dict(accounts), transfer), transfers))
            return {"Ada": 130, "Bob": 110, "Cleo": 80, "Dan": 80}
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "cheat",
        "transfers that sleep until nobody else is there",
        """
        def my_transfers(accounts, transfers):
            def move(transfer):
                kv.sleep(0.5 * transfers.index(transfer))
                book(accounts, transfer)

            with kv.get_executor("thread", 8) as clerks:
                list(clerks.imap(move, transfers))
            return accounts
        """,
        grade="3 of 4",
        says="at most 1 book branch",
    ),
]
