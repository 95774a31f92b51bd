"""What the command line prints about a run, and the files it writes."""

from __future__ import annotations

import os
import signal

import pytest

from kaygraph_viz.base.errors import OutputExistsError
from kaygraph_viz.cli.run_output import (
    check_outputs,
    print_files,
    print_overview,
    print_run,
    print_verdicts,
    write_outputs,
)
from kaygraph_viz.course.examples.example import ExampleRun, Fact, measured
from kaygraph_viz.course.patterns.records import Finding
from kaygraph_viz.course.patterns.validation import Verdict
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.testing import bar, make_trace

SERIAL = make_trace(bar("price 0", "main", 0, 3), bar("price 1", "main", 3, 4))
PARALLEL = make_trace(bar("price 0", "thread-1", 0, 3), bar("price 1", "thread-2", 0, 1))
GRAPH = Graph(start=ParallelBatchNode(), node_id="prices")


def make_run(**changes):
    usual = {
        "name": "batch",
        "title": "Prices of orders",
        "graph": GRAPH,
        "traces": {"serial": SERIAL, "parallel": PARALLEL},
        "captions": {"serial": "one row", "parallel": "two rows", "page.txt": "a figure"},
        "facts": [Fact("priced", "1,200"), Fact("refused", "7", "no such article")],
        "notes": ["The dearest was the last."],
        "measured": measured(2, 0, PARALLEL, SERIAL, unit="orders"),
        "extras": {"page.txt": b"drawn"},
    }
    return ExampleRun(**usual | changes)


@pytest.fixture
def run():
    return make_run()


def test_verdict_is_printed_with_its_reasons(run, capsys):
    finding = Finding("format", "email", "email_invalid", "there is no @-sign")
    print_verdicts([Verdict("C1", "rejected", (finding,), {"external": "it is down"})], run)
    assert capsys.readouterr().out.startswith(
        "C1: rejected\n  format: email: there is no @-sign\n  external: could not be checked (it is down)\n\n"
    )


def test_run_is_printed_as_title_facts_notes_and_what_was_measured(run, capsys):
    print_run(run)
    assert (
        capsys.readouterr().out
        == """\
Prices of orders
----------------

  priced   1,200
  refused      7   no such article

  The dearest was the last.

  Measured:
  orders                    2
  ok                        2
  failed                    0
  one after the other  4.00 s   makespan of the same items with one worker
  in parallel          3.00 s   makespan: from the first submission to the last end
  measured speedup        1.3   the first makespan / the second
  throughput            0.667   orders a second
  workers used              2   threads
  bottleneck            price   100% of the work

  How the time of 2 workers was used:
  useful work     67%   branches and the steps around them did work that the run needed
  straggler tail  33%   workers were idle while the last branches ran and no other work was left

"""
    )


def test_simulated_time_is_said(capsys):
    print_run(make_run(is_simulated=True))
    assert "  Measured in simulated time:\n" in capsys.readouterr().out


def test_run_of_one_worker_loses_no_time_to_the_others(capsys):
    print_run(make_run(traces={"serial": SERIAL}))
    assert "How the time" not in capsys.readouterr().out


def test_pattern_can_have_something_better_to_say_than_where_the_time_went(capsys):
    rows = [("stage", "busy"), ("price", "98%"), ("load", "3%")]
    print_run(make_run(details=("Use of the time in each stage:", rows)))
    printed = capsys.readouterr().out
    assert printed.endswith("  Use of the time in each stage:\n  stage  busy\n  price   98%\n  load     3%\n\n")
    assert "How the time" not in printed


def test_long_sentence_goes_on_in_the_next_line(capsys):
    print_run(make_run(notes=["word " * 60]))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 110


def test_everything_that_is_printed_is_harmless(capsys):
    nasty = "\x1b[31m\u202e\n" + "x" * 10_000
    print_run(make_run(title=nasty, facts=[Fact(nasty, nasty, nasty)], notes=[nasty]))
    printed = capsys.readouterr().out
    assert all(mark.isprintable() or mark == "\n" for mark in printed)
    assert len(printed) < 10_000


def test_overview_has_a_line_for_each_run(run, capsys):
    print_overview([run, make_run(name="stream", measured=measured(7_000, 1, make_trace()))])
    lines = capsys.readouterr().out.splitlines()[3:6]
    assert [line.split() for line in lines[1:]] == [
        ["batch", "2", "0", "4.00", "s", "3.00", "s", "1.3", "2", "price"],
        ["stream", "7,000", "1", "0", "s", "0"],
    ]
    assert len({line.index(end) + len(end) for line, end in zip(lines[:2], ("one by one", "4.00 s"), strict=True)}) == 1


@pytest.mark.parametrize("name", ["batch-gantt.png", "batch-static-gantt.png", "batch-trace.jsonl.gz"])
def test_existing_output_is_refused_unless_forced(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(OutputExistsError, match="add --force"):
        check_outputs(tmp_path, "batch", force=False)
    check_outputs(tmp_path, "batch", force=True)


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_is_never_overwritten(tmp_path, force):
    (tmp_path / "batch-gantt.png").mkdir()
    with pytest.raises(OutputExistsError, match="is no file; move it away, or choose another folder"):
        check_outputs(tmp_path, "batch", force=force)


@pytest.mark.skipif(os.name == "nt", reason="there are no such devices")
def test_link_to_a_device_is_never_written_to(tmp_path):
    (tmp_path / "batch-gantt.png").symlink_to(os.devnull)
    with pytest.raises(OutputExistsError, match="is no file"):
        check_outputs(tmp_path, "batch", force=True)


@pytest.mark.parametrize("exists", [False, True])
def test_link_in_the_folder_counts_as_a_file_and_is_not_followed_with_force(run, tmp_path, exists):
    out, secret = tmp_path / "out", tmp_path / "secret"
    paths = list(write_outputs(run, _made(out)))
    if exists:
        secret.write_bytes(b"secret")
    for path in paths:
        path.unlink()
        path.symlink_to(secret)
    with pytest.raises(OutputExistsError, match="add --force"):
        check_outputs(out, run.name, force=False)
    check_outputs(out, run.name, force=True)
    write_outputs(run, out)
    assert secret.exists() == exists
    assert not exists or secret.read_bytes() == b"secret"
    assert [path for path in paths if path.is_symlink()] == []


def _made(folder):
    folder.mkdir()
    return folder


def test_every_trace_has_a_chart_and_everything_a_caption(run, tmp_path):
    files = write_outputs(run, tmp_path)
    assert {path.name: caption for path, caption in files.items()} == {
        "batch-serial-gantt.png": "one row",
        "batch-gantt.png": "two rows",
        "batch-diagram.png": "the graph, with the times of the parallel run",
        "batch-page.txt": "a figure",
        "batch-trace.jsonl.gz": "the parallel run, for kaygraph_viz.load()",
    }
    assert sorted(files) == sorted(tmp_path.iterdir())


def test_every_file_that_is_written_was_checked_for(run, tmp_path):
    paths = list(write_outputs(run, tmp_path))
    for path in paths:
        content = path.read_bytes()
        path.unlink()
    for path in paths:
        path.write_bytes(content)
        with pytest.raises(OutputExistsError):
            check_outputs(tmp_path, run.name, force=False)
        path.unlink()


def drawn(monkeypatch, run, tmp_path):
    """Return what each chart is given, by the name of its trace."""
    from kaygraph_viz.plot.gantt import gantt as module

    given, gantt = {}, module.gantt
    names = {id(trace): name for name, trace in run.traces.items()}

    def noting(trace, **options):
        given[names[id(trace)]] = options
        return gantt(trace, **options)

    monkeypatch.setattr(module, "gantt", noting)
    write_outputs(run, tmp_path)
    return given


def test_title_of_a_chart_says_which_run_it_shows(monkeypatch, run, tmp_path):
    titles = {name: options["title"] for name, options in drawn(monkeypatch, run, tmp_path).items()}
    assert titles == {
        "serial": "batch, serial: 2 branches, 1 worker, 4.0 s",
        "parallel": "batch, parallel: 2 branches, 2 workers, 3.0 s",
    }


def test_title_counts_the_branches_that_have_a_bar(monkeypatch, tmp_path):
    record = (bar("C1", "thread-1", 0, 2), [bar("profile", "thread-2", 0, 1), bar("social", "thread-3", 0, 2)])
    given = drawn(monkeypatch, make_run(traces={"parallel": make_trace(record)}), tmp_path)
    assert "2 branches" in given["parallel"]["title"]


def test_charts_that_are_compared_share_their_time_axis(monkeypatch, tmp_path):
    short = make_trace(bar("price 0", "thread-1", 0, 1))
    run = make_run(traces={"serial": SERIAL, "static": PARALLEL, "dynamic": short}, compared=("static", "dynamic"))
    until = {name: options["end_s"] for name, options in drawn(monkeypatch, run, tmp_path).items()}
    assert until == {"serial": 0.0, "static": 3.0, "dynamic": 3.0}


def test_files_are_printed_with_what_to_look_for(capsys, tmp_path):
    print_files(tmp_path, {tmp_path / "a.png": "one row", tmp_path / "b.png": ""})
    assert capsys.readouterr().out == f"  In {tmp_path}{os.sep}\n  a.png  one row\n  b.png\n\n"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_interrupt_that_drawing_turns_into_another_error_is_an_interrupt(run, tmp_path, monkeypatch):
    def draw(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("invalid bounding box") from None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("kaygraph_viz.plot.gantt.gantt.gantt", draw)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_outputs(run, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
