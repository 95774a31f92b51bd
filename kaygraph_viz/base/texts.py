"""Texts of others made harmless: inert in a terminal, of bounded length, without credentials.

Belongs here: what is done to any text before it is printed or kept. Does not belong here: which values are recorded
(``trace.row``), and how labels are drawn (``plot.labels``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

MASK = "***"
NAME_LIMIT = 200  # characters of a name in a line or a table
_LINES_AND_TABS = str.maketrans({"\n": "\\n", "\t": "\\t"})


def visible(text: str) -> str:
    r"""Return a text in which what would steer a terminal or turn the reading direction is written out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    r"""Return a text as one line that is `visible`, cut to `limit` characters; for names in sentences and tables."""
    if len(text) <= limit and text.isprintable():
        return text
    return cut(visible(text[: limit + 1]).translate(_LINES_AND_TABS), limit)


def cut(text: str, limit: int) -> str:
    """Return the first `limit` characters of a text, the last three of them dots if there are more."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


# -- credentials ---------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset({
    "pass", "pw", "pwd", "passwd", "passcode", "password", "passphrase", "secret", "secrets", "token", "tokens", "auth",
    "oauth", "authentication", "bearer", "jwt", "cookie", "cookies", "creds", "session", "otp", "csrf", "xsrf",
})  # fmt: skip
_HARMLESS_WORDS = frozenset({  # beside one of those: "max_tokens", "token_type", "session_timeout"
    "n", "num", "count", "counts", "max", "min", "total", "limit", "length", "size", "per", "used", "usage", "budget",
    "timeout", "ttl", "type", "method", "input", "output", "prompt", "completion",
})  # fmt: skip
_SECRET_ANYWHERE = re.compile(  # in a name without its separators
    r"passw|passphrase|(user|db)pass$|clientsecret|credential|authori[sz]ation|sess(ion)?id|jwt"
    r"|(access|refresh|auth|bearer|session|csrf|api)token"
    r"|(api|access|account|auth|client|encryption|master|private|secret|signing|ssh|storage)key(?!board|word|stroke)"
)
_SECRET_IN_URL = frozenset({"key", "sig", "signature"})
_SECRET_WITH_COLON = re.compile(
    r"passw|passphrase|pwd|key|secret$|authori[sz]ation|cookie", re.IGNORECASE
)  # not "unexpected token: ')'"

_HINT = re.compile(r"[=:]|-----BEGIN|Bearer")
_USER_OF_URL = re.compile(r"(://)[^\s/?#\"'<>]+@")
_HEADER = re.compile(r"(?i)(proxy-)?authori[sz]ation|(set-)?cookie")  # their values have spaces and semicolons
_REST_OF_LINE = re.compile(r"""(?P<open>\\?["']?)[^"'\\\r\n]+(?P=open)(?P<double>)(?P<single>)""")
_BEARER = re.compile(r"\b(Bearer\s{1,3})[\w.~+/-]{12,}=*")
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_FIELD = re.compile(r"""(?<![\w.])(?<!\w-)([A-Za-z_][\w.-]{0,60})(\\?["']?)\s{0,3}[=:]\s{0,3}(?=\S)""")
_VALUE = re.compile(  # quoted, an object, a list, or up to what ends it
    r"""(?P<open>b?\\")[^"\\]*(?:\\"|\Z)|(?P<double>b?")(?:[^"\\]|\\.)*(?:"|\Z)|(?P<single>b?')(?:[^'\\]|\\.)*(?:'|\Z)"""
    r"""|\{[^{}]*(?:\}|\Z)|\[[^\[\]]*(?:\]|\Z)|[^\s&;,"'<>(){}\[\]]+""",
    re.DOTALL,
)
_VALIDATION = re.compile(r"(?m)^([\w.]{1,60})(\n  .*\binput_value=)(.*)(?=, input_type=)")  # as pydantic writes it


@lru_cache(4096)
def is_secret(name: str) -> bool:
    """Return whether a name looks like that of a credential."""
    words = [word.lower() for word in _WORD.findall(name[:NAME_LIMIT])]
    if not _HARMLESS_WORDS.isdisjoint(words):
        return False
    return not _SECRET_WORDS.isdisjoint(words) or _SECRET_ANYWHERE.search("".join(words)) is not None


def without_secrets(text: str) -> str:
    """Return a text in which credentials in addresses, headers and fields are masked."""
    if _HINT.search(text) is None:
        return text
    if "://" in text:
        text = _USER_OF_URL.sub(rf"\1{MASK}@", text)
    if "-----BEGIN" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}", text)
    if "Bearer" in text:
        text = _BEARER.sub(rf"\1{MASK}", text)
    if "input_value=" in text:
        text = _VALIDATION.sub(
            lambda found: found[1] + found[2] + (MASK if is_secret(found[1].rpartition(".")[2]) else found[3]), text
        )
    return "".join(_without_secret_fields(text))


def _without_secret_fields(text: str) -> Iterator[str]:
    """Yield the pieces of a text, with a mask for the value of each secret field; every character is read once."""
    kept_to = at = 0
    while (found := _FIELD.search(text, at)) is not None:
        at = found.end()
        key, quote, before = found[1], found[2], text[found.start() - 1 : found.start()]
        is_in_url = before in ("?", "&") and key.rpartition("-")[2].lower() in _SECRET_IN_URL
        is_field = bool(quote) or "=" in found[0] or _SECRET_WITH_COLON.search(key) is not None
        if not is_in_url and not (is_field and is_secret(key)):
            continue
        value = (_HEADER.fullmatch(key) and _REST_OF_LINE.match(text, at)) or _VALUE.match(text, at)
        if value is not None:
            opening = value["open"] or value["double"] or value["single"] or ""
            yield f"{text[kept_to:at]}{opening}{MASK}{opening.removeprefix('b')}"
            kept_to = at = value.end()
    yield text[kept_to:]
