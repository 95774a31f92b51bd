"""Reading the speeches."""

from __future__ import annotations

from kaygraph_viz.services.speeches import load_speeches


def test_spoken_ones_are_some_of_all():
    every, spoken = load_speeches(spoken_only=False), load_speeches()
    assert (len(every), len(spoken)) == (249, 110)
    assert spoken == [speech for speech in every if speech.is_spoken]


def test_oldest_comes_first():
    years = [speech.year for speech in load_speeches(spoken_only=False)]
    assert (years[0], years[-1]) == (1790, 2026)
    assert years == sorted(years)


def test_names_are_their_own():
    assert len({speech.speech_id for speech in load_speeches(spoken_only=False)}) == 249


def test_text_is_that_of_the_speech():
    (speech,) = [one for one in load_speeches() if one.speech_id == "1961-Kennedy-1"]
    assert (speech.year, speech.president) == (1961, "Kennedy")
    assert "Mr. Speaker, Mr. Vice President, Members of the Congress:" in speech.text[:120]
