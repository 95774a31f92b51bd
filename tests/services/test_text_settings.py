"""The settings of the text service: what they allow, and that chance is a function of the seed."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.text_settings import TextSettings

PROMPTS = [f"prompt {number}" for number in range(2_000)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", -1), ("calls_per_minute", 0), ("tokens_per_minute", 1.5), ("at_once", 0), ("at_once", ((1, 5),)),
     ("at_once", ((0, 5), (9, 3), (4, 2))), ("at_once", ((0, 0),)), ("at_once", (5, 6)), ("first_token_s", -1),
     ("spread", 3), ("token_s", -0.1), ("answer_tokens", 0), ("slow_rate", 2), ("slow_factor", 0),
     ("input_price", -1), ("output_price", "free")],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name):
        TextSettings(**{name: value})


def test_the_same_seed_gives_the_same_answers_and_another_one_others():
    one, again, other = TextSettings(seed=3), TextSettings(seed=3), TextSettings(seed=4)
    lengths = [[each.answer_length(prompt) for prompt in PROMPTS] for each in (one, again, other)]
    assert lengths[0] == lengths[1] != lengths[2]
    assert sum(lengths[0]) / len(PROMPTS) == pytest.approx(100, rel=0.05)


def test_the_slow_tail_has_its_share_and_another_attempt_is_a_new_chance():
    settings = TextSettings(spread=0, first_token_s=1, slow_rate=0.1, slow_factor=7)
    first = [settings.first_token_of(prompt, 1) for prompt in PROMPTS]
    assert set(first) == {1.0, 7.0}
    assert first.count(7.0) == pytest.approx(200, rel=0.2)
    again = [settings.first_token_of(prompt, 2) for prompt, s in zip(PROMPTS, first, strict=True) if s == 7]
    assert again.count(7.0) < len(again) / 4


def test_the_price_is_by_thousand_tokens():
    assert TextSettings(input_price=2, output_price=10).credits_of(500, 100) == 2.0


def test_steps_of_what_it_works_on_at_once():
    settings = TextSettings(at_once=((0, 16), (30, 6), (60, 20)))
    assert [settings.at_once_after(s) for s in (0, 29, 30, 59.9, 60, 1_000)] == [16, 16, 6, 6, 20, 20]
    assert TextSettings().at_once_after(5) is None
