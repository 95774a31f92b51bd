"""Values from user code made safe to keep: short, plain and without secrets.

Belongs here: what becomes of a recorded argument or error. A recorded value is never called back: the ``__repr__``
of a user's class is not run, since it may raise, sleep or return megabytes.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from itertools import islice
from typing import Any

__all__ = ["describe_error", "safe_attributes", "safe_value", "traceback_text", "visible"]

MASK = "***"
TEXT_LIMIT = 200
ERROR_LIMIT = 500
ITEM_LIMIT = 8
DEPTH_LIMIT = 3

_SECRET = re.compile(
    r"pass$|passw|passphrase|pwd|secret|token|(api|access|private|signing)[_ -]?key|authori[sz]ation|bearer|jwt"
    r"|credential|cookie|session[_ -]?id",
    re.IGNORECASE,
)


def safe_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as short plain data, with the values of secret-looking names masked.

    Returns
    -------
    dict
        Strings, numbers, booleans, None, and short lists and dicts of these.

    Examples
    --------
    >>> safe_attributes({"city": "Oslo", "api_key": "k-123", "callback": object()})
    {'city': 'Oslo', 'api_key': '***', 'callback': '<object>'}
    """
    texts = ((str(key), value) for key, value in values.items())
    return {key[:TEXT_LIMIT]: MASK if _SECRET.search(key) else safe_value(value) for key, value in texts}


def safe_value(value: Any, depth: int = 0) -> Any:
    """Return one value as short plain data; only exact builtin types are looked into.

    Examples
    --------
    >>> safe_value([1, {"password": "x"}, float])
    [1, {'password': '***'}, '<type>']
    """
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value.bit_length() <= 63 else f"<int of {value.bit_length()} bits>"
    if kind is str:
        return value if len(value) <= TEXT_LIMIT else value[: TEXT_LIMIT - 3] + "..."
    if depth < DEPTH_LIMIT and kind in (list, tuple):
        return [safe_value(item, depth + 1) for item in value[:ITEM_LIMIT]] + ["..."] * (len(value) > ITEM_LIMIT)
    if depth < DEPTH_LIMIT and kind is dict:
        return {
            (key[:TEXT_LIMIT] if type(key) is str else f"<{type(key).__name__}>"): (
                MASK if type(key) is str and _SECRET.search(key) else safe_value(item, depth + 1)
            )
            for key, item in list(islice(value.items(), ITEM_LIMIT))  # at once: another thread may be writing to it
        }
    return f"<{kind.__name__}>"


def describe_error(error: BaseException) -> str:
    """Return type and message of an error in at most 500 characters, all of them `visible`.

    Examples
    --------
    >>> describe_error(ValueError("bad postal code"))
    'ValueError: bad postal code'
    """
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a broken __str__ must not become the error
        message = "<message could not be read>"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    shown = visible(text[: ERROR_LIMIT + 1])
    return shown if len(shown) <= ERROR_LIMIT else shown[: ERROR_LIMIT - 3] + "..."


def traceback_text(error: BaseException) -> str:
    """Return an error with its traceback and its causes as text, as far as its own methods let that be told.

    Examples
    --------
    >>> print(traceback_text(ValueError("bad postal code")), end="")
    ValueError: bad postal code
    """
    try:
        return "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # such as a truth of the error that raises
        return "".join([*traceback.format_tb(error.__traceback__), describe_error(error), "\n"])


def visible(text: str) -> str:
    r"""Return a text in which what would steer a terminal or turn the reading direction is written out.

    Lone surrogates are written out, too: a notebook cannot send them to the browser. Lines and tabs stay.

    Examples
    --------
    >>> visible("a\x1b[1mb\u202ec\n")
    'a\\x1b[1mb\\u202ec\n'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
