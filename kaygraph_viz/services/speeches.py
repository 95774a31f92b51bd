"""The State of the Union addresses: 249 public-domain texts of very different length.

Belongs here: finding and reading the texts. Does not belong here: where they come from (``data/README.md``) and
counting their words (``patterns``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kaygraph_viz.services.files import data_text, read_table

__all__ = ["SPEECH_COLUMNS", "Speech", "load_speeches"]

SPEECH_COLUMNS = ("speech_id", "year", "date", "president", "is_spoken", "source_url", "sha256")


@dataclass(frozen=True, slots=True)
class Speech:
    """An address with its text.

    Parameters
    ----------
    speech_id
        Its own name, such as ``"1790-Washington-1"``: some years have several addresses.
    year
        When it was given, 1790 to 2026.
    president
        Family name.
    is_spoken
        Whether it was held before the Congress, rather than sent as a letter.
    text
        All of it, about 6,000 to 200,000 characters.
    """

    speech_id: str
    year: int
    president: str
    is_spoken: bool
    text: str


def load_speeches(spoken_only: bool = True) -> list[Speech]:
    """Return the addresses, the oldest first.

    Parameters
    ----------
    spoken_only
        Whether to return only the 110 that were held before the Congress, rather than all 249.

    Examples
    --------
    >>> speeches = load_speeches()
    >>> len(speeches), speeches[0].year, speeches[0].president
    (110, 1790, 'Washington')
    """
    rows = [row for row in read_table("speeches.csv", SPEECH_COLUMNS) if row[4] == "1" or not spoken_only]
    return [
        Speech(name, int(year), who, spoken == "1", data_text(f"{name}.txt", folder="speeches"))
        for name, year, _, who, spoken, _, _ in rows
    ]
