"""The facts of this computer: read where they are, said in one line."""

from __future__ import annotations

import os
import sys

import pytest

from kaygraph_viz.machine import Machine, this_machine, usable_cores


def test_cores_are_those_that_this_program_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert (usable_cores(), this_machine().cores) == (3, 3)


@pytest.mark.parametrize(("counted", "cores"), [(6, 6), (None, 1)])
def test_cores_where_a_program_may_use_all(monkeypatch, counted, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert usable_cores() == cores


def test_python_before_3_13_has_a_gil(monkeypatch):
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    assert this_machine().has_gil


@pytest.mark.parametrize("enabled", [True, False])
def test_later_python_says_whether_it_has_one(monkeypatch, enabled):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    assert this_machine().has_gil is enabled


def test_python_is_named_without_its_patch_version():
    assert this_machine().python.endswith(f" {sys.version_info.major}.{sys.version_info.minor}")


def test_one_core_is_singular():
    assert str(Machine(1, "CPython 3.11", has_gil=True)).startswith("1 core;")
