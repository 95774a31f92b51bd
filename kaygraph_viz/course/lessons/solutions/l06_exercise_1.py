"""Five coroutines in progress.

- How many coroutines may be in progress at once? Only one line decides that.
- The second argument of `get_executor` is the number of coroutines in progress. In plain asyncio, it is a `Semaphore`.
"""

service = Service(answer_s=0.2)


async def all_calls():
    with kv.get_executor("async", 5) as executor:
        async for outcome in executor.aimap(service.call, range(20)):
            outcome.unwrap()


with kv.record(clock="virtual") as mine:
    kv.run(all_calls())
