"""The check of the finished pages finds each kind of fault, and nothing in good pages."""

from __future__ import annotations

import pytest
from build_steps.check_pages import faults, main

GOOD = (
    '<h1 id="top">One</h1><a href="two.html#end">two</a><a href="https://example.org">far</a><img src="a.png" alt="A">'
)


def site(folder, **pages):
    (folder / "a.png").write_bytes(b"")
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def test_a_good_site_has_no_faults(tmp_path):
    assert list(faults(site(tmp_path, one=GOOD, two='<h2 id="end">Two</h2>'))) == []
    assert main(str(tmp_path)) == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('<a href="three.html">x</a>', "broken link: three.html"),
        ('<a href="one.html#nowhere">x</a>', "broken anchor: one.html#nowhere"),
        ('<a href="#nowhere">x</a>', "broken anchor: #nowhere"),
        ('<img src="b.png" alt="B">', "broken link: b.png"),
        ('<img src="a.png">', "picture without alternative text: a.png"),
        ('<img src="a.png" alt=" ">', "picture without alternative text: a.png"),
        (
            '<script src="https://example.org/x.js"></script>',
            "is loaded from another computer: https://example.org/x.js",
        ),
        ('<link rel="stylesheet" href="//example.org/x.css">', "is loaded from another computer: //example.org/x.css"),
    ],
)
def test_it_finds(text, fault, tmp_path, capsys):
    assert list(faults(site(tmp_path, one=text))) == [f"one.html: {fault}"]
    assert main(str(tmp_path)) == 1
    assert fault in capsys.readouterr().out


def test_an_empty_folder_is_no_site(tmp_path):
    assert main(str(tmp_path)) == 1


@pytest.mark.parametrize("folder", ["_static", "lite"])
def test_files_of_other_projects_are_no_pages(folder, tmp_path):
    (tmp_path / folder).mkdir()
    site(tmp_path / folder, template='<a href="{{ nothing }}">x</a>')
    assert list(faults(site(tmp_path, one="<p>good</p>"))) == []
