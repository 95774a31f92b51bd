"""Reading the input of the command line: a record, a file of records, a sentence, or a number.

Belongs here: telling these apart and reading them. Does not belong here: judging the records (``patterns``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from kaygraph_viz.errors import DataError, short

__all__ = ["patterns_named_in", "read_records", "whole"]

MAX_FILE_BYTES = 64 << 20
_WORDS = {
    "validation": r"\bvalidat|\bcheck|\bverif",
    "enrichment": r"\benrich|\bAPIs?\b",
    "batch": r"\bbatch",
    "mapreduce": r"\bmap\W?reduce|\bword.?count|\bcount\w*\b.*\bwords?\b",
    "pipeline": r"\bpipeline|\bETL\b",
    "coordination": r"\bcoordinat|\basync",
    "report": r"\breport",
    "stream": r"\bstream|\breal.?time",
}
_EVERYTHING = r"\beverything\b|\b(all|every)\b.*\b(pattern|example)s?\b"


def read_records(text: str) -> list[dict[str, str]] | None:
    """Return the records that `text` is or names, or None if it is a sentence."""
    if text.lstrip().startswith(("{", "[")):
        return _records(text, "the input")
    if not text.strip():
        raise DataError("the input is empty; it must be a JSON record, a JSON file, or a sentence that names patterns")
    if not _names_a_file(text):
        return None
    with Path(text).open("rb") as file:  # never more than the limit, also of a device that has no size and no end
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise DataError(
            f"{short(str(Path(text)))} is larger than {MAX_FILE_BYTES >> 20} MB, too large for a file of records"
        )
    return _records(content.decode("utf-8-sig", errors="replace"), short(text))


def _names_a_file(text: str) -> bool:
    if "\0" in text or "\n" in text:
        return False
    try:
        return text.endswith((".json", "/")) or Path(text).exists()
    except (OSError, ValueError):  # longer than a name can be, or not to be written in the coding of names
        return False


def _records(text: str, source: str) -> list[dict[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not valid JSON: {short(str(error))}") from None
    records = found if isinstance(found, list) else [found]
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError(f'{source} must be a JSON object or a list of them, such as {{"name": "Ada", "country": "GB"}}')
    # Numbers become texts, as in a form; other values are left for the format check to report.
    return [
        {key: str(value) if type(value) in (int, float) else value for key, value in record.items()}
        for record in records
    ]


def patterns_named_in(sentence: str, known: Sequence[str]) -> list[str]:
    """Return the patterns that a sentence names."""
    words = _WORDS if not re.search(_EVERYTHING, sentence, re.IGNORECASE) else dict.fromkeys(known, "")
    named = [name for name in known if re.search(words[name], sentence, re.IGNORECASE)]
    if not named:
        raise DataError(f"{short(sentence)} names no pattern that can be run ({', '.join(known)})")
    return named


def whole(text: str) -> int:
    """Return `text` as an integer; other text is returned unchanged, for the check of the range to report."""
    try:
        return int(text)
    except ValueError:
        return text  # type: ignore[return-value]
