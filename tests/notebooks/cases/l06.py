"""Answers to the exercise of lesson 06: twenty calls, five at once."""

from tests.notebooks.cases import Case


def calls(body: str, service: str = "Service(answer_s=0.2)", before: str = "") -> str:
    """Return the cell with another body of `all_calls`."""
    indented = "\n".join(f"    {line}" if line else "" for line in body.strip("\n").splitlines())
    return f"""service = {service}
{before}

async def all_calls():
{indented}


with kv.record(clock="virtual") as mine:
    kv.run(all_calls())
"""


EXECUTOR = """
with kv.get_executor("async", {slots}) as executor:
    async for outcome in executor.aimap({function}, range({count})):
        outcome.unwrap()
"""
FIVE = EXECUTOR.format(slots=5, function="service.call", count=20)

CASES = [
    Case("solution", "the shipped one", grade="6 of 6"),
    Case("untouched", "one call after the other", grade="4 of 6", says="at most 1 branch ran at once"),
    Case(
        "right",
        "a semaphore and gather",
        calls("""
door = asyncio.Semaphore(5)

async def through(number):
    async with door:
        return await service.call(number)

return await asyncio.gather(*[through(number) for number in range(20)])
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "a semaphore and a task group",
        calls("""
door = asyncio.Semaphore(5)

async def through(number):
    async with door:
        await service.call(number)

async with asyncio.TaskGroup() as group:
    for number in range(20):
        group.create_task(through(number))
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "five workers and a queue",
        calls("""
numbers = asyncio.Queue()
for number in range(20):
    numbers.put_nowait(number)

async def worker():
    while not numbers.empty():
        await service.call(numbers.get_nowait())

await asyncio.gather(*[worker() for _ in range(5)])
"""),
        grade="6 of 6",
    ),
    Case(
        "right",
        "a node",
        calls(
            "await AllCalls(max_workers=5).run_async({})",
            before="""

class AllCalls(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(20)

    async def exec_async(self, number):
        return await service.call(number)

    async def post_async(self, shared, numbers, answers):
        shared["answers"] = answers
""",
        ),
        grade="6 of 6",
    ),
    Case(
        "wrong",
        "all at once",
        calls("await asyncio.gather(*[service.call(number) for number in range(20)])"),
        grade="5 of 6",
        says="20 branches ran at once",
    ),
    Case(
        "wrong",
        "a semaphore, and an await in a loop",
        calls("""
door = asyncio.Semaphore(5)
for number in range(20):
    async with door:
        await service.call(number)
"""),
        grade="4 of 6",
        says="at most 1 branch ran at once",
    ),
    Case(
        "wrong",
        "four at once",
        calls(EXECUTOR.format(slots=4, function="service.call", count=20)),
        grade="5 of 6",
        says="at most 4 branches ran at once",
    ),
    Case(
        "wrong",
        "a coroutine that was not awaited",
        calls("await asyncio.gather(*range(20))"),
        grade="0 of 6",
        says="ended with an error",
    ),
    Case(
        "cheat",
        "a faster service",
        calls(FIVE, service="Service(answer_s=0.01)"),
        grade="5 of 6",
        says="before it was 4.00 s",
    ),
    Case(
        "cheat",
        "sleeping instead of calling",
        calls(EXECUTOR.format(slots=5, function="lambda number: kv.sleep_async(0.2)", count=20)),
        grade="5 of 6",
        says="call 0 was answered 0 times",
    ),
    Case(
        "cheat",
        "half of the calls",
        calls(EXECUTOR.format(slots=5, function="service.call", count=10)),
        grade="3 of 6",
        says="there were 10 branches",
    ),
]
