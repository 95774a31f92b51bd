"""Answers to the exercise of lesson 14: sixty calls to a service with limits per minute on calls and tokens."""

from __future__ import annotations

from tests.notebooks.cases import Case

CASES = [
    Case("solution", "one rate limit with units and true numbers", grade="4 of 4"),
    Case("untouched", "stops at the first refused call", grade="0 of 4", says="answered only"),
    Case(
        "right",
        "computed by hand: a few less than 40 calls per minute",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(per_minute=38)

            def ask(text):
                with limit:
                    return client.write(text)

            with kv.get_executor("thread", 10) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts, retry=kv.RetryPolicy(5))]
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "ThreadPoolExecutor in two parts, one for each minute",
        """
        import time
        from concurrent.futures import ThreadPoolExecutor

        def my_summaries(client, texts):
            with ThreadPoolExecutor(12) as pool:
                answers = list(pool.map(client.write, texts[:38]))
                time.sleep(52)
                return answers + list(pool.map(client.write, texts[38:]))
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "asyncio with a semaphore and a count of tokens of its own",
        """
        import asyncio
        import time
        from collections import deque

        def my_summaries(client, texts):
            begun, used = deque(), [0]

            async def turn(tokens):
                while True:
                    while begun and begun[0][0] <= time.monotonic() - 60:
                        used[0] -= begun.popleft()[1]
                    if used[0] + tokens <= 12_000:
                        begun.append((time.monotonic(), tokens))
                        used[0] += tokens
                        return
                    await asyncio.sleep(0.5)

            async def ask(text, places):
                async with places:
                    await turn(len(text.split()) + 120)
                    return await client.write_async(text)

            async def main():
                places = asyncio.Semaphore(8)
                return await asyncio.gather(*(ask(text, places) for text in texts))

            return kv.run(main())
        """,
        grade="4 of 4",
    ),
    Case(
        "right",
        "coroutines under the same limit; a list of the texts of the answers",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(units_per_minute=12_000)

            async def ask(text):
                async with limit.units(len(text.split()) + 200) as call:
                    answer = await client.write_async(text)
                    call.used(answer.tokens)
                return answer.text

            with kv.get_executor("async", 60) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="4 of 4",
    ),
    Case(
        "wrong",
        "only the limit on calls",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(per_minute=60)

            def ask(text):
                with limit:
                    return client.write(text)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="0 of 4",
        says="429",
    ),
    Case(
        "wrong",
        "estimates without the true numbers",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(per_minute=60, units_per_minute=12_000)

            def ask(text):
                with limit.units(l14.count_tokens(text) + 200):
                    return client.write(text)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="3 of 4",
        says="it took 12",
    ),
    Case(
        "wrong",
        "a limit for each call",
        """
        def my_summaries(client, texts):
            def ask(text):
                with kv.RateLimit(units_per_minute=12_000).units(l14.count_tokens(text) + 200):
                    return client.write(text)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts, retry=kv.RetryPolicy(20))]
        """,
        grade="3 of 4",
        says="60 calls and refused",
    ),
    Case(
        "wrong",
        "wait as asked",
        """
        def my_summaries(client, texts):
            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(client.write, texts, retry=kv.RetryPolicy(20))]
        """,
        grade="3 of 4",
    ),
    Case(
        "wrong",
        "in the order in which the answers came",
        """
        def my_summaries(client, texts):
            limit, answers = kv.RateLimit(per_minute=60, units_per_minute=12_000), []

            def ask(text):
                with limit.units(l14.count_tokens(text) + 200) as call:
                    answers.append(client.write(text))
                    call.used(answers[-1].tokens)

            with kv.get_executor("thread", 12) as executor:
                list(executor.imap(ask, texts))
            return answers
        """,
        grade="3 of 4",
        says="the answer to text",
    ),
    Case(
        "wrong",
        "one worker",
        """
        def my_summaries(client, texts):
            return [client.write(text) for text in texts]
        """,
        grade="3 of 4",
        says="it took 182",
    ),
    Case(
        "wrong",
        "the answers are forgotten",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(units_per_minute=12_000)

            def ask(text):
                with limit.units(l14.count_tokens(text) + 200) as call:
                    call.used(client.write(text).tokens)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="3 of 4",
        says="NoneType",
    ),
    Case(
        "cheat",
        "shorter answers leave more tokens",
        """
        def my_summaries(client, texts):
            limit = kv.RateLimit(per_minute=60)

            def ask(text):
                with limit:
                    return client.write(text, max_tokens=2)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="3 of 4",
        says="with 2 words",
    ),
    Case(
        "cheat",
        "only the texts of the first minute",
        """
        def my_summaries(client, texts):
            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(client.write, texts[:38])]
        """,
        grade="0 of 4",
        says="expected a list of 60 answers, got 38 items",
    ),
    Case(
        "cheat",
        "another service without limits",
        """
        def my_summaries(client, texts):
            with l14.serve(l14.TextSettings()) as server, l14.TextClient(server.base_url) as other:
                with kv.get_executor("thread", 12) as executor:
                    return [outcome.value for outcome in executor.imap(other.write, texts)]
        """,
        grade="1 of 4",
        says="answered only 0 of 60",
    ),
    Case(
        "cheat",
        "the words of the texts, without asking",
        """
        def my_summaries(client, texts):
            return [" ".join(text.split()[:100]) for text in texts]
        """,
        grade="0 of 4",
        says="the answer to text 0",
    ),
    Case(
        "cheat",
        "one lock around everything",
        """
        def my_summaries(client, texts):
            lock = kv.Lock()

            def ask(text):
                with lock:
                    return client.write(text)

            with kv.get_executor("thread", 12) as executor:
                return [outcome.value for outcome in executor.imap(ask, texts)]
        """,
        grade="3 of 4",
        says="it took 182",
    ),
]
