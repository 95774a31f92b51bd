"""Parts of spans, and the log they are read from."""

from __future__ import annotations

import contextlib
import re
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

import kaygraph_viz
from kaygraph_viz.base.parts import (
    PART_KINDS,
    PartLog,
    contextmanager,
    derived_parts,
    exchanged,
    log_here,
    log_kept,
    noted,
    of_fibers,
    shifted,
    write_here,
)
from kaygraph_viz.course.patterns.checks import local_checks
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock

US = 1_000


def words(parts):
    return [(PART_KINDS[code], until) for code, until, _ in parts or ()]


def test_what_was_noted_is_cut_to_the_stretch_that_is_asked_for():
    log = PartLog()
    log.add("wait", 0, 40 * US)
    log.add("cpu", 40 * US, 90 * US)
    assert words(log.between(10 * US, 60 * US)) == [("wait", 40 * US), ("cpu", 60 * US)]


def test_what_follows_on_the_same_is_one_part():
    log = PartLog()
    log.add("wait", 0, 10)
    log.add("wait", 10, 20)
    assert words(log.between(0, 20)) == [("wait", 20)]


def test_what_nobody_noted_is_unknown_with_the_share_that_the_cpu_clock_tells():
    log = PartLog()
    log.add("wait", 100 * US, 200 * US, cpu_at_start_ns=30 * US)
    parts = log.between(0, 300 * US, 0, 130 * US)
    assert [(PART_KINDS[code], until, share) for code, until, share in parts] == [
        ("unknown", 100 * US, 0.3), ("wait", 200 * US, -1.0), ("cpu", 300 * US, -1.0)
    ]  # fmt: skip


def test_nothing_is_said_of_a_stretch_of_which_nothing_was_noted():
    log = PartLog()
    log.add("wait", 0, 10)
    assert log.between(10, 20) is None
    assert log.between(5, 5) is None


def test_a_wait_that_turns_out_to_be_for_a_limit_is_blocked_and_what_was_computed_meanwhile_is_not():
    log = PartLog()
    log.add("wait", 0, 10)
    log.add("cpu", 10, 20)
    log.add("wait", 20, 30)
    log.cover("blocked", 5, 30)
    assert words(log.between(0, 30)) == [("wait", 5), ("blocked", 10), ("cpu", 20), ("blocked", 30)]


def test_who_waits_for_another_hears_what_held_it_up():
    log, other = PartLog(), PartLog()
    log.add("wait", 0, 20)
    log.add("cpu", 20, 25)
    log.add("wait", 25, 40)
    for kind, started, ended in (("pause", 0, 3), ("wait", 3, 10), ("blocked", 10, 30), ("cpu", 30, 35)):
        other.add(kind, started, ended)
    log.blocked_by(other, 5, 40)
    assert words(log.between(0, 40)) == [("wait", 10), ("blocked", 20), ("cpu", 25), ("blocked", 30), ("wait", 40)]


def test_a_log_forgets_what_was_long_ago():
    log = PartLog()
    for time in range(20_000):
        log.add(PART_KINDS[time % 2], time, time + 1)
    assert len(log.entries) < 10_000
    assert words(log.between(19_998, 20_000)) == [("cpu", 19_999), ("wait", 20_000)]


def test_sums_alone_make_parts():
    assert words(derived_parts(0, 10, 10, 0)) == [("cpu", 10)]
    assert words(derived_parts(0, 10, 0, 0)) == [("wait", 10)]
    assert words(derived_parts(0, 10, -1, 0)) == [("unknown", 10)]
    assert words(derived_parts(0, 10, 4, 10)) == [("blocked", 10)]
    assert derived_parts(5, 5, 0, 0) == ()


def test_parts_stay_within_their_span_on_another_clock():
    parts = ((1, 10, -1.0), (0, 20, -1.0))
    assert words(shifted(parts, lambda time: time + 100, 100, 115)) == [("wait", 110), ("cpu", 115)]


def test_a_block_is_noted_in_the_log_of_the_calling_thread():
    clock, log = FakeClock(), PartLog()
    with log_kept():
        write_here(log, clock.cpu_ns)
        with noted("blocked", clock.now_ns):
            clock.sleep(1)
    assert words(log.between(0, 10**9)) == [("blocked", 10**9)]
    assert log_here() is not log


def test_the_log_of_another_thread_that_leaves_the_block_stays_as_it_is():
    block, log = log_kept(), PartLog()
    block.__enter__()
    seen = []

    def leave():
        write_here(log)
        block.__exit__(None, None, None)
        seen.append(log_here())

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert seen == [log]


# -- blocks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FrozenError(Exception):
    code: int


@contextmanager
def framed(into):
    into.append("begin")
    try:
        yield into
    finally:
        into.append("end")


@pytest.mark.parametrize(
    "error", [ValueError("bad"), FrozenError(3), StopIteration(7), GeneratorExit(), KeyboardInterrupt()]
)
def test_an_error_passes_as_it_is(error):
    into = []
    with pytest.raises(type(error)) as caught, framed(into):
        raise error
    assert caught.value is error
    assert into == ["begin", "end"]


def test_the_traceback_has_no_line_of_the_generator():
    with pytest.raises(ValueError, match="bad") as caught, framed([]):
        raise ValueError("bad")
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)] == [
        "test_the_traceback_has_no_line_of_the_generator"
    ]


@pytest.mark.parametrize("decorator", [contextmanager, contextlib.contextmanager])
def test_a_generator_may_swallow_an_error_or_raise_another(decorator):
    @decorator
    def swallowing(kind):
        with contextlib.suppress(kind):
            yield

    @decorator
    def replacing():
        try:
            yield
        except ValueError as error:
            raise KeyError("other") from error

    with swallowing(ValueError):
        raise ValueError("bad")
    with swallowing(StopIteration):
        raise StopIteration
    with pytest.raises(KeyError) as caught, replacing():
        raise ValueError("bad")
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_generator_that_yields_twice_is_a_fault():
    @contextmanager
    def twice():
        with contextlib.suppress(ValueError):
            yield
        yield

    with pytest.raises(RuntimeError, match="more than once"), twice():
        raise ValueError("bad")


def test_no_module_of_ours_uses_the_one_of_python():
    package = Path(kaygraph_viz.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    wrong = re.compile(r"from contextlib import .*(?<!async)contextmanager|contextlib\.contextmanager\b(?!``)")
    assert not [path for path, source in sources.items() if wrong.search(source)]


def test_an_error_of_the_users_in_a_block_of_a_pattern_is_left_alone():
    with pytest.raises(FrozenError), record(clock="virtual"), local_checks([]):
        raise FrozenError(7)


# -- thread data ---------------------------------------------------------------------------------------------------


class WithDefault(threading.local):
    name = "default"


def test_data_is_put_aside_and_brought_back():
    first, second = of_fibers(WithDefault()), of_fibers(threading.local())
    first.name, second.number = "mine", 7
    held = exchanged([])
    assert (first.name, vars(second)) == ("default", {})
    first.name = "of another"
    assert (first, {"name": "of another"}) in exchanged(held)
    assert (first.name, second.number) == ("mine", 7)


def test_data_that_nobody_uses_any_more_is_forgotten():
    gone = of_fibers(threading.local())
    gone.number = 1
    del gone
    assert not [held for held in exchanged(exchanged([])) if held[1] == {"number": 1}]
