"""The facts of this computer: read where they are, said in one line."""

from __future__ import annotations

import json
import os
import sys

import pytest

from kaygraph_viz.base.machine import Machine, machine_from, this_machine, usable_cores


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


def test_only_python_code_is_said_to_take_turns():
    assert str(Machine(4, "CPython 3.11", has_gil=True)).endswith("one thread at a time runs Python code")


@pytest.mark.parametrize(
    "fields",
    [None, 3, {}, {"cores": 0, "python": "p", "has_gil": True}, {"cores": True, "python": "p", "has_gil": True},
     {"cores": 2, "python": None, "has_gil": True}, {"cores": 2, "python": "p", "has_gil": 1}],
)  # fmt: skip
def test_a_file_that_names_no_machine_that_can_be_names_none(fields):
    assert machine_from(fields) is None


@pytest.mark.parametrize("machine", [Machine(2, "CPython 3.11", has_gil=True), Machine(None, "x", has_gil=False)])
def test_a_machine_survives_being_written_down(machine):
    assert machine_from(json.loads(json.dumps(machine.as_fields()))) == machine
