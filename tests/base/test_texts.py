"""Texts of others: inert, cut, and without credentials."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.texts import cut, is_secret, one_line, visible, without_secrets

PRIVATE = "PRIVATE"  # written so that no file looks as if it held a key


@given(st.text())
def test_whatever_is_visible_can_be_printed_and_does_nothing(text):
    shown = visible(text)
    assert shown.replace("\n", "").replace("\t", "").isprintable()
    shown.encode()


@given(st.text(), st.integers(4, 50))
def test_one_line_is_one_line_of_bounded_length(text, limit):
    shown = one_line(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_what_is_harmless_stays_as_it_is():
    assert one_line("Zürich → 東京 🙂") == visible("Zürich → 東京 🙂") == "Zürich → 東京 🙂"


def test_a_cut_text_says_so():
    assert cut("abcdefgh", 6) == "abc..."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"https://u:{'p'}@ss@h/a", "https://***@h/a"),
        ("https://h/x?token=abc&page=1&key=k", "https://h/x?token=***&page=1&key=***"),
        ("https://h/x?sig=abc#b", "https://h/x?sig=***"),
        ('{"password": "a\\"b", "n": 1}', '{"password": "***", "n": 1}'),
        ("User(name='a', password='x', auth=b'y')", "User(name='a', password='***', auth=b'***')"),
        ("Authorization: Basic eA==\nok", "Authorization: ***\nok"),
        ("{'Authorization': 'Bearer a b', 'c': 1}", "{'Authorization': '***', 'c': 1}"),
        ("Cookie: a=b; sid=xyz", "Cookie: ***"),
        ("sent Bearer abcdefghijklmnop", "sent Bearer ***"),
        ('{"credentials": {"user": "x"}}', '{"credentials": ***}'),
        ("password='never closed", "password='***'"),
        (f"-----BEGIN {PRIVATE} KEY-----\na\n-----END", f"-----BEGIN {PRIVATE} KEY-----***-----END"),
    ],
)
def test_credentials_are_masked(text, expected):
    assert without_secrets(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "unexpected token: ')'", "key: 7", "KeyError: 'token'", "author=me, tokenizer=gpt2, max_tokens=5", "10:20:30",
        "https://example.com/a?page=2", "session: closed", "keyboard='de'", "a: b = c",
    ],
)  # fmt: skip
def test_other_texts_stay(text):
    assert without_secrets(text) == text


@given(st.text(alphabet="abpasswordtoken =:'\"\\{}[]?&@/-\n", max_size=300))
def test_masking_twice_changes_nothing_more_than_once(text):
    once = without_secrets("password=x " + text)
    assert once.startswith("password=***")
    assert len(without_secrets(once)) <= len(once)


@pytest.mark.parametrize(
    "piece", ["a=", "password='", "password={", "://aa", 'password="\\', f"-----BEGIN X {PRIVATE} KEY-----"]
)
def test_every_character_is_read_a_few_times_only(piece):
    assert len(without_secrets(piece * 50_000)) <= 50_000 * (len(piece) + 5)


def test_names_of_secrets():
    assert is_secret("Proxy-Authorization")
    assert not is_secret("")
