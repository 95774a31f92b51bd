"""Both locks are taken in the order of the names, whoever gives and whoever gets.

- Two transfers go in opposite directions. Which lock does each of them take first?
- No circle can form if all transfers take their locks in one order. Which order do all of them know?
- `first, second = sorted((giver, taker))` puts two names in the order of the alphabet.
"""


def my_transfers(accounts, transfers):
    locks = {name: kv.Lock() for name in accounts}

    def move(transfer):
        first, second = sorted(transfer[:2])  # the two names
        with locks[first]:
            kv.sleep(0.1)  # look up who gets the money
            with locks[second]:
                book(accounts, transfer)

    with kv.get_executor("thread", 4) as clerks:
        list(clerks.imap(move, transfers))
    return accounts
