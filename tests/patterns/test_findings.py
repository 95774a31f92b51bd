"""Findings: equal when they say the same, one line for people, safe to send to other processes."""

from __future__ import annotations

import pickle

import pytest

from kaygraph_viz.patterns.findings import Finding

FOUND = Finding("format", "email", "email_invalid", "there is no @-sign")


def test_finding_is_one_line_with_its_check_and_field():
    assert str(FOUND) == "format: email: there is no @-sign"


def test_equal_findings_are_counted_as_one():
    assert len({FOUND, Finding("format", "email", "email_invalid", "there is no @-sign")}) == 1


def test_finding_cannot_be_changed():
    with pytest.raises(AttributeError):
        FOUND.code = "other"


def test_finding_survives_pickling():
    assert pickle.loads(pickle.dumps(FOUND)) == FOUND
