"""Answers to the exercise of lesson 8: count the words of some texts, and lose none."""

from __future__ import annotations

from tests.notebooks.cases import Case

CASES = [
    Case("solution", "each branch returns its number", grade="4 of 4"),
    Case("untouched", "words are lost", grade="3 of 4", says="schedules"),
    Case(
        "right",
        "threading.Lock around the addition",
        """
        import threading

        def my_count_all(texts):
            total = {"words": 0}
            lock = threading.Lock()

            def count(text):
                words = read(text)
                with lock:
                    total["words"] += len(words)

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "threading.Lock made at the top of the cell",
        """
        import threading

        lock = threading.Lock()

        def my_count_all(texts):
            total = 0

            def count(text):
                nonlocal total
                words = read(text)
                with lock:
                    total += len(words)

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "kv.Lock with acquire and release",
        """
        def my_count_all(texts):
            total, lock = {"words": 0}, kv.Lock()

            def count(text):
                number = len(read(text))
                lock.acquire()
                try:
                    total["words"] += number
                finally:
                    lock.release()

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "ThreadPoolExecutor.map and sum",
        """
        from concurrent.futures import ThreadPoolExecutor

        def my_count_all(texts):
            with ThreadPoolExecutor(4) as pool:
                return sum(pool.map(lambda text: len(read(text)), texts))
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "threads and a queue",
        """
        import queue
        import threading

        def my_count_all(texts):
            numbers = queue.Queue()

            def count(text):
                numbers.put(len(read(text)))

            threads = [threading.Thread(target=count, args=[text]) for text in texts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sum(numbers.get() for _ in texts)
        """,
        grade="4 of 4",
    ),
    Case(
        "wrong",
        "reading and writing are two steps, each with the lock",
        """
        import threading

        def my_count_all(texts):
            total, lock = {"words": 0}, threading.Lock()

            def count(text):
                words = read(text)
                with lock:
                    before = total["words"]
                with lock:
                    total["words"] = before + len(words)

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "wrong",
        "each branch has a lock of its own",
        """
        import threading

        def my_count_all(texts):
            total = {"words": 0}

            def count(text):
                words = read(text)
                with threading.Lock():
                    total["words"] += len(words)

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "wrong",
        "one worker",
        """
        def my_count_all(texts):
            total = {"words": 0}

            def count(text):
                total["words"] += len(read(text))

            with kv.get_executor("thread", 1) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="3 of 4",
        says="1.0 times as fast",
    ),
    Case(
        "wrong",
        "it counts letters",
        """
        def my_count_all(texts):
            with kv.get_executor("thread", 4) as executor:
                return sum(outcome.value for outcome in executor.imap(lambda text: len(" ".join(read(text))), texts))
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "cheat",
        "one lock around everything",
        """
        import threading

        def my_count_all(texts):
            total, lock = {"words": 0}, threading.Lock()

            def count(text):
                with lock:
                    total["words"] += len(read(text))

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="3 of 4",
        says="1.0 times as fast",
    ),
    Case(
        "cheat",
        "return 18",
        """
        def my_count_all(texts):
            return 18
        """,
        grade="0 of 4",
        says="nothing was recorded",
    ),
    Case(
        "cheat",
        "branches for show, and 18",
        """
        def my_count_all(texts):
            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(read, texts))
            return 18
        """,
        grade="3 of 4",
        says="schedules",
    ),
    Case(
        "cheat",
        "branches that wait for their turn by sleeping",
        """
        def my_count_all(texts):
            total = {"words": 0}

            def count(text):
                words = read(text)
                kv.sleep(0.01 * texts.index(text))
                total["words"] += len(words)

            with kv.get_executor("thread", 4) as executor:
                list(executor.imap(count, texts))
            return total["words"]
        """,
        grade="3 of 4",
        says="one after the other, it would take",
    ),
    Case(
        "cheat",
        "texts are not read",
        """
        def my_count_all(texts):
            with kv.get_executor("thread", 4) as executor:
                return sum(outcome.value for outcome in executor.imap(lambda text: len(text.split()), texts))
        """,
        grade="2 of 4",
        says="one after the other, it would take",
    ),
]
