"""Numbers in words: durations with a fitting unit, counts with the right plural.

Belongs here: texts that tables, sentences and pictures share. Does not belong here: what the numbers mean.
"""

from __future__ import annotations

__all__ = ["counted", "duration", "join_words", "significant", "time_unit"]

_UNITS = (("s", 1.0, 0.1), ("ms", 1e-3, 1e-3), ("µs", 1e-6, 1e-6), ("ns", 1e-9, 0.0))  # name, size [s], from [s]


def time_unit(seconds: float) -> tuple[str, float]:
    """Return the unit in which a duration reads best, and its size [s].

    Examples
    --------
    >>> time_unit(0.02), time_unit(0.31), time_unit(0)
    (('ms', 0.001), ('s', 1.0), ('s', 1.0))
    """
    fitting = (unit for unit in _UNITS if abs(seconds) >= 0.9995 * unit[2])  # 0.9996 ms reads as 1.00 ms, not 1000 µs
    unit, size, _ = next(fitting) if seconds else _UNITS[0]
    return unit, size


def significant(value: float, digits: int = 3) -> str:
    """Return a number with at least `digits` significant digits where it has them, never with an exponent.

    Examples
    --------
    >>> [significant(value) for value in (0, 3.14159, 31.4159, 12345.6, 0.0123)]
    ['0', '3.14', '31.4', '12,346', '0.0123']
    """
    if not value:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])  # after rounding: 9.999 has the one of 10
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def duration(seconds: float, digits: int = 3) -> str:
    """Return a duration with a unit that fits it.

    Examples
    --------
    >>> [duration(seconds) for seconds in (0, 0.00042, 0.0213, 1.5, 4000)]
    ['0 s', '420 µs', '21.3 ms', '1.50 s', '4,000 s']
    """
    unit, size = time_unit(seconds)
    return f"{significant(seconds / size, digits)} {unit}"


def counted(number: int, word: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "branch", "branches"), counted(2000, "worker")
    ('1 branch', '2,000 workers')
    """
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def join_words(words: list[str]) -> str:
    """Return words as one phrase.

    Examples
    --------
    >>> join_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
