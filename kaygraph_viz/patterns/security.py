"""The security check: text that attacks a program or deceives a reader.

Belongs here: patterns of SQL and script injection, and characters that hide or disguise text.
Does not belong here: whether a value is well formed (``formats``).

A filter like this is an alarm, not a defence: bound parameters and escaped output are the defence. It therefore has no
false alarms on ordinary prose ("drop", "select", ``<3``, O'Brien) at the price of missing variants of an attack. Every
repetition in the patterns is bounded, so that the time grows in proportion to the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from kaygraph_viz.patterns.findings import Finding
from kaygraph_viz.patterns.records import Record, texts

__all__ = ["check_security"]

_STATEMENT = r"""(?:
    drop \s{1,9} (?:table|database|schema|view|index|user) \b
  | (?:alter|truncate|create) \s{1,9} (?:table|database|user) \b
  | insert \s{1,9} into \s{1,9} [\w.]{1,64} \s{0,9} (?:\(|values\b|select\b)
  | update \s{1,9} [\w.]{1,64} \s{1,9} set \s{1,9} [\w.]{1,64} \s{0,9} =
  | delete \s{1,9} from \s{1,9} [\w.]{1,64} \s{0,9} (?:;|where\b|--|\Z)
  | select \s{1,9} (?:\*|[\w.,]{1,64}) \s{1,9} from \s{1,9} [\w.]{1,64} \s{0,9} (?:;|where\b|--|\Z)
  | exec(?:ute)? \s{1,9} (?:master|xp_|sp_)
)"""
_BREAK_OUT = r"""['"] \s{0,9} \){0,4} \s{0,9}"""
_VALUE = r"""(?: '[^'"]{0,64}' | "[^'"]{0,64}" | \d{1,20} )"""
_SQL = re.compile(
    rf"""
    ; \s{{0,9}} {_STATEMENT}
  | \b union \s{{1,9}} (?:(?:all|distinct)\s{{1,9}})? select \s{{1,9}}
    (?: [\w.*'"(@]{{1,64}} \s{{0,9}} (?:,|from\b|--|\#) | (?:\d{{1,20}}|null|\*) \s{{0,9}} \Z )
  | {_BREAK_OUT} (?:or|and|\|\||&&) \s{{0,9}} \(? {_VALUE} \s{{0,9}} (?:=|<|>|like\b)
  | {_BREAK_OUT} (?:or|and) \s{{1,9}} \(? (\w{{1,64}}) \s{{0,9}} = \s{{0,9}} \1 \b
  | \b (?:or|and) \s{{1,9}} (\d{{1,20}}) \s{{0,9}} = \s{{0,9}} \2 \b
  | {_BREAK_OUT} ;? \s{{0,9}} (?:--|\#) \s{{0,99}} \Z
  | \b (?: xp_cmdshell | information_schema | pg_sleep \s{{0,9}}\( | waitfor\s{{1,9}}delay\b | sleep\(\d )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SQL_COMMENT = re.compile(r"/\*[^*]{0,200}\*/")
_SCRIPT = re.compile(
    r"""
    < \s{0,9} /? \s{0,9}
    (?:script|iframe|object|embed|applet|svg|img|video|audio|style|link|meta|base|form|math) (?![\w-])
  | < [a-z!] [^<>]{0,200} [\s/"'] on[a-z]{3,20} \s{0,9} =
  | \b (?:java|vb)script \s{0,9} : \s{0,9} [\w.$]{1,64} \s{0,9} [(=]
  | \b data \s{0,9} : \s{0,9} text/html
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_NOTE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # lines and tabs may be in a note
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")  # not the marks that Arabic and Hebrew text needs
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff\U000e0000-\U000e007f]")  # not the joiners that Persian needs
_WORD = re.compile(r"[^\W\d_]+")
_FULL_WIDTH = {code + 0xFEE0: code for code in range(0x21, 0x7F)}
_CONFUSED_SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN"}
_NAMES = ("name", "email", "city")  # prose may mix scripts in a word, a name does not


def check_security(record: Record) -> list[Finding]:
    """Check a record for injected SQL and scripts, and for characters that hide or disguise text.

    Every field that is text is checked, under any name. Look-alike letters are searched in ``name``, ``email`` and
    ``city`` only: a word there that mixes Latin, Greek, Cyrillic or Armenian letters. A name that is wholly in one of
    them passes.

    Parameters
    ----------
    record
        One record; any size of value is safe.

    Returns
    -------
    list of Finding
        At most one for each field and code; empty when nothing was found. The codes are ``sql_injection``,
        ``script_injection``, ``control_character``, ``bidi_override``, ``invisible_character`` and ``homoglyph``.

    Raises
    ------
    DataError
        When `record` is not a mapping.

    Examples
    --------
    >>> check_security({"name": "Conan O'Brien", "note": "we <3 the union; select, then drop"})
    []
    >>> [finding.code for finding in check_security({"name": "x' OR '1'='1"})]
    ['sql_injection']
    """
    return [
        Finding("security", field, code, message)
        for field, text in texts(record).items()
        for code, message in _threats(field, text)
    ]


def _threats(field: str, text: str) -> Iterator[tuple[str, str]]:
    plain = text.translate(_FULL_WIDTH) if not text.isascii() else text
    if _SQL.search(_SQL_COMMENT.sub(" ", plain)):
        yield "sql_injection", "it reads like a piece of SQL"
    if _SCRIPT.search(plain):
        yield "script_injection", "it holds HTML or an address that could run a script"
    if found := (_CONTROL_IN_NOTE if field == "note" else _CONTROL).search(text):
        yield "control_character", f"it holds the control character {_code_point(found)}"
    if found := _BIDI.search(text):
        yield "bidi_override", f"{_code_point(found)} changes the direction, so the order shown is not the one stored"
    if found := _INVISIBLE.search(text):
        yield "invisible_character", f"it holds the invisible character {_code_point(found)}"
    if field in _NAMES and (mixed := _mixed_scripts(plain)):
        yield "homoglyph", f"one word mixes {' and '.join(mixed)} letters, which look alike"


def _code_point(found: re.Match[str]) -> str:
    return f"U+{ord(found.group()):04X}"


def _mixed_scripts(text: str) -> list[str]:
    """Return the scripts, by name, of the first word that mixes several which are easily confused."""
    if text.isascii():
        return []
    for word in _WORD.finditer(text):
        scripts = {_script(letter) for letter in set(word.group())} & _CONFUSED_SCRIPTS
        if len(scripts) > 1:
            return sorted(script.title() for script in scripts)
    return []


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """Return the Unicode script of a letter, which is the first word of its name."""
    return unicodedata.name(letter, "").partition(" ")[0]
