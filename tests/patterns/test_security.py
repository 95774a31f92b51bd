"""The security check: attacks that it reports, and ordinary text that it does not."""

from __future__ import annotations

import pytest

from kaygraph_viz.patterns.security import check_security


def codes(findings):
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    "text",
    [
        "' or 1=1 --",
        '" OR "a"="a',
        "') or ('1'='1",
        "1 or 1=1",
        "x' oR\t'a' LIKE 'a",
        "' or a=a --",
        "admin'--",
        "x'; drop table customers",
        "1;DELETE FROM customers WHERE 1=1",
        "1; insert into users values (1)",
        "UNION/**/SELECT/**/password, id",
        "x' union all select null, null --",
        "0 union select 1",
        "x'; exec xp_cmdshell 'dir'",
        "1; WAITFOR DELAY '0:0:5'",
        "\uff07 \uff2f\uff32 \uff071\uff07=\uff071",  # full-width letters
    ],
)
def test_sql_is_found(text):
    assert "sql_injection" in codes(check_security({"name": text}))


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "< SCRIPT src=x>",
        "<ScRiPt\n>",
        "<img src=x onerror=alert(1)>",
        "<body onload=alert(1)>",
        '<a href="x"onclick=alert(1)>',
        "<svg/onload=alert(1)>",
        "javascript:alert(1)",
        "JAVASCRIPT : alert(1)",
        "data:text/html;base64,xx",
        "\uff1cscript\uff1e",
    ],
)
def test_script_is_found(text):
    assert "script_injection" in codes(check_security({"note": text}))


@pytest.mark.parametrize(
    "text",
    [
        "O'Brien and D'Angelo",
        "Drop",
        "Select",
        "Union Select Committee",
        "the trade union selects members",
        "rock 'n' roll or jazz = fine",
        "don't call; update from the branch",
        "said 'fine' -- and meant it",
        "we <3 this",
        "1 < 2 and 3 > 2",
        "a<b",
        "<base-line> text",
        "JavaScript: beginner",
        "javascript: the good parts",
        "on = off",
        "size 1=small or 2=large",
        "first\nsecond\tthird",
        "Müller; Weiß, Øyvind",
    ],
)
def test_ordinary_text_is_not_accused(text):
    assert check_security({"note": text}) == []


@pytest.mark.parametrize(
    "name", ["Ελένη Ξένου", "Олена Шевчук", "Anna Петрова", "山田 はな子", "Ōno", "مریم‌السادات", "Łukasz Żak", "Ω-3"]
)
def test_names_in_one_script_for_each_word_are_not_accused(name):
    assert check_security({"name": name}) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\x00b", "control_character"),
        ("a\x9bb", "control_character"),
        ("two\nlines", "control_character"),
        ("a\u202eb", "bidi_override"),
        ("a\u2066b", "bidi_override"),
        ("a\u200bb", "invisible_character"),
        ("\ufeffa", "invisible_character"),
        ("P\u0430tricia", "homoglyph"),
        ("M\u03bfre", "homoglyph"),
    ],
)
def test_deceiving_characters_are_found(text, code):
    assert codes(check_security({"name": text})) == [code]
