"""Values from user code made safe to keep: short, plain and without secrets.

Belongs here: what becomes of a recorded argument or error. A recorded value is never called back: the ``__repr__``
of a user's class is not run, since it may raise, sleep or return megabytes.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from itertools import islice
from typing import Any

from kaygraph_viz.texts import MASK, cut, is_secret, visible, without_secrets

__all__ = ["describe_error", "safe_attributes", "safe_error", "safe_value", "traceback_text"]

TEXT_LIMIT = 200
ERROR_LIMIT = 500
ITEM_LIMIT = 8
DEPTH_LIMIT = 3
ATTRIBUTE_LIMIT = 100  # attributes of a span
SEEN = 4  # times the limit of a text: so far a credential is looked for, since one that is cut is still one


def safe_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` as short plain data, with the values of secret-looking names masked."""
    few = islice(values.items(), ATTRIBUTE_LIMIT)
    return {_key(key): MASK if _is_secret(key) else safe_value(value) for key, value in few}


def safe_value(value: Any, depth: int = 0) -> Any:
    """Return one value as short plain data; only exact builtin types are looked into."""
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value.bit_length() <= 63 else f"<int of {value.bit_length()} bits>"
    if kind is str:
        return cut(without_secrets(value[: SEEN * TEXT_LIMIT]), TEXT_LIMIT)
    if depth < DEPTH_LIMIT and kind in (list, tuple):
        return _safe_items(value, depth)
    if depth < DEPTH_LIMIT and kind is dict:
        few = list(islice(value.items(), ITEM_LIMIT))  # at once: another thread may be writing to it
        return {_key(key): MASK if _is_secret(key) else safe_value(item, depth + 1) for key, item in few}
    return f"<{kind.__name__}>"


def _safe_items(values: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    """Return the first items of a sequence; of a pair such as a header, the second may be a secret."""
    if len(values) == 2 and _is_secret(values[0]):
        return [safe_value(values[0], depth + 1), MASK]
    return [safe_value(item, depth + 1) for item in values[:ITEM_LIMIT]] + ["..."] * (len(values) > ITEM_LIMIT)


def _key(key: Any) -> str:
    return key[:TEXT_LIMIT] if type(key) is str else f"<{type(key).__name__}>"


def _is_secret(key: Any) -> bool:
    """Return whether a key names a secret; headers are often bytes."""
    return is_secret(key if type(key) is str else key.decode("latin-1")) if type(key) in (str, bytes) else False


def describe_error(error: BaseException) -> str:
    """Return type and message of an error in at most 500 characters, all of them `visible`."""
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a broken __str__ must not become the error
        message = "<message could not be read>"
    return safe_error(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def traceback_text(error: BaseException) -> str:
    """Return an error with its traceback and its causes as text, as far as its own methods let that be told."""
    try:
        return "".join(traceback.format_exception(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # such as a truth of the error that raises
        lines = vars(BaseException)["__traceback__"].__get__(error)  # its own attribute may raise, too
        return "".join([*traceback.format_tb(lines), describe_error(error), "\n"])


def safe_error(text: str) -> str:
    """Return the text of an error as it is kept: cut, visible, without credentials."""
    return cut(visible(without_secrets(text[: SEEN * ERROR_LIMIT])[: ERROR_LIMIT + 1]), ERROR_LIMIT)
