"""Functions that use each part of the language, for tests of what happens between two instructions.

Belongs here: small functions without arguments that return something that can be compared. Does not belong here: what
is tested of them.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager, suppress


def loops():
    found, number = [], 0
    for each in range(5):
        if each == 1:
            continue
        for other in "ab":
            found.append((each, other))
        if each == 3:
            break
    else:
        found.append("never")
    while number < 3:
        number += 1
    else:
        found.append(number)
    return found


def errors():
    found = []
    for each in (0, 1, "a", None):
        try:
            try:
                found.append(10 / each)
            except ZeroDivisionError as error:
                found.append(str(error))
                raise ValueError(each) from error
            else:
                found.append("no error")
            finally:
                found.append("in any case")
        except (TypeError, ValueError) as error:
            found.append((type(error).__name__, type(error.__cause__).__name__, error.__traceback__.tb_lineno))
    return found


def ends_in_the_middle():
    def early():
        for each in range(9):
            try:
                if each == 4:
                    return each
            finally:
                with suppress(KeyError):
                    {}[each]
        return None

    return early()


def groups_of_errors():
    found = []
    try:
        raise ExceptionGroup("several", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as group:
        found.append(len(group.exceptions))
    except* (TypeError, KeyError) as group:
        found.append([type(each).__name__ for each in group.exceptions])
    return found


def blocks():
    found = []

    @contextmanager
    def noted(name):
        found.append(f"begin {name}")
        try:
            yield name.upper()
        finally:
            found.append(f"end {name}")

    with noted("a") as upper, noted("b"):
        found.append(upper)
    with suppress(ZeroDivisionError), noted("c"):
        found.append(1 / 0)
    return found


def generators():
    def numbers(end):
        for each in range(end):
            got = yield each
            if got is not None:
                yield got * 2

    def both():
        total = yield from numbers(2)
        yield total
        try:
            yield from numbers(9)
        except ValueError:
            yield "thrown"

    made = both()
    found = [next(made), made.send(5), next(made), next(made), next(made), made.throw(ValueError())]
    made.close()
    return [*found, list(made), sum(each * each for each in numbers(4)), [*zip(numbers(2), numbers(3), strict=False)]]


def closures():
    count = 0

    def add(by=1, *more, times=1, **named):
        nonlocal count
        count += (by + sum(more)) * times + len(named)
        return lambda: count

    return [add()(), add(2, 3, times=4)(), add(*[1, 2], **{"a": 1, "times": 2})(), (lambda x, /, y=2: x * y + count)(3)]


def classes():
    class Base:
        made = 0

        def __init__(self, name):
            self.name = name
            type(self).made += 1

        def __repr__(self):
            return f"<{self.name!r:>8}>"

        @property
        def size(self):
            return len(self.name)

    class Derived(Base):
        def __init__(self, name):
            super().__init__(name + "!")

        @classmethod
        def of(cls, number):
            return cls(str(number))

        @staticmethod
        def twice(value):
            return value * 2

    one = Derived.of(12)
    return [repr(one), one.size, Derived.made, Derived.twice("a")]


def comprehensions():
    letters = "abca"
    return [
        [each.upper() for each in letters if each != "b"],
        {each: letters.index(each) for each in letters},
        sorted({each for each in letters}),
        [(x, y) for x in range(3) for y in range(x)],
        [[x * y for x in range(2)] for y in range(2)],
        any(each == "c" for each in letters),
    ]


def texts():
    name, number = "Ada", 3.14159
    return [f"{name}: {number:.2f}", f"{name!r:>10}|{number:{8}.{3}}", f"{name=}", "%s-%d" % (name, 2), f"{{}}{name}"]


def operators():
    a, b, *rest = range(5)
    c = d = [1, 2]
    c += [3]
    rest[0:1] = [7, 8]
    rest[-1] *= 2
    del d[0]
    chain = 1 < a + 2 <= 3 < 9 if a is not None and b not in rest else not a
    e = (f := a + b) or None
    assert f, "a message"
    return [a, b, rest, c, chain, e, f, -b, ~b, b**3, 7 // 2, 7 % 3, 1 << 3, b & 3, b | 4, b ^ 5, {**{"x": 1}, "y": 2}]


def matches():
    def kind(value):
        match value:
            case 0 | 1:
                return "small"
            case [x, *rest] if rest:
                return x, rest
            case {"name": str(name), **more}:
                return name, more
            case complex(real=real, imag=2.0):
                return real
            case str() as text:
                return text[::-1]
            case _:
                return None

    return [kind(each) for each in (0, [1, 2, 3], [1], {"name": "Ada", "age": 36}, 1 + 2j, "abc", 7)]


def coroutines():
    async def later(value):
        await asyncio.sleep(0)
        return value

    async def several(end):
        for each in range(end):
            yield await later(each)

    class Block:
        async def __aenter__(self):
            return await later("in")

        async def __aexit__(self, *error):
            await later("out")
            return True

    async def main():
        found = [each async for each in several(3)]
        async with Block() as said:
            found.append(said)
            raise ValueError("goes no further")
        async for each in several(9):
            if each == 2:
                break
        return found

    made = main()
    while True:  # as a loop does it, without one
        try:
            made.send(None)
        except StopIteration as ended:
            return ended.value


_LONG = "\n".join(
    [
        "def long_code():",
        "    total = 0",
        *(f"    total += {1000 + number}" for number in range(300)),
        "    for each in range(2):",
        *(f"        total -= {5000 + number} * each" for number in range(200)),
        "    return total",
    ]
)
exec(compile(_LONG, __file__, "exec"))  # with more constants, and longer jumps, than one byte can tell

ALL = (
    loops, errors, ends_in_the_middle, groups_of_errors, blocks, generators, closures, classes, comprehensions, texts,
    operators, matches, coroutines, long_code,  # noqa: F821
)  # fmt: skip


def random_function(seed):
    """Return a random function of a few statements."""
    rng, lines = random.Random(seed), ["def random_function():", "    a = b = 0", "    noted = []"]
    _block(rng, lines, 1)
    lines.append("    return a, b, noted")
    names = {"suppress": suppress, "__file__": __file__}
    exec(compile("\n".join(lines), __file__, "exec"), names)
    return names["random_function"]


def _block(rng, lines, depth):
    for _ in range(rng.randint(1, 4)):
        rng.choice(_STATEMENTS if depth < 4 else _SIMPLE)(rng, lines, depth)


def _simple(text):
    return lambda rng, lines, depth: lines.append("    " * depth + text.format(rng.randint(-3, 9)))


def _around(*parts):
    """Return what adds a statement of several parts, each with a block."""

    def add(rng, lines, depth):
        for part in parts:
            lines.append("    " * depth + part.format(each=f"i{depth}", indent="    " * depth))
            _block(rng, lines, depth + 1)

    return add


_SIMPLE = [
    _simple(text)
    for text in (
        "a += {}",
        "b = a * {} % 101",
        "noted.append(a)",
        "noted.append(f'{{a}} {{b:>4}}')",
        "a = max(a, b, key=lambda n: n % 7)",
        "b = sum(n for n in range(a % 5))",
        "noted += [n + b for n in range(3) if n != {}]",
        "a, b = b, a",
        "b = dict(x=a, y={}).get('x', 0)",
        "a = a if a > {} else -a",
    )
]
_STATEMENTS = [
    *_SIMPLE,
    _around("if a > b:", "elif a:", "else:"),
    _around("for {each} in range(2):"),
    _around("while len(noted) < 5:\n{indent}    noted.append(b)", "else:"),
    _around("for {each} in (1, 2, 3):\n{indent}    if {each} == 2: break", "else:"),
    _around("with suppress(ZeroDivisionError):\n{indent}    b += a // (b % 3)"),
    _around("try:\n{indent}    a += 7 // b", "except ZeroDivisionError:", "finally:"),
    _around("try:\n{indent}    raise KeyError(a)", "except KeyError as error:", "else:"),
]
