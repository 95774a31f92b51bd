"""``%%gantt``: the cell runs as it would alone, and its chart comes with it."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from kaygraph_viz import magics
from kaygraph_viz.base.errors import DataError, OptionError
from kaygraph_viz.course.lessons.playgrounds import PATTERNS
from kaygraph_viz.execute.call import ON_ERROR
from kaygraph_viz.magics import NAMES, OPTIONS, names_at
from kaygraph_viz.trace.trace import Trace, load

CELL = """
import kaygraph_viz as kv

with kv.get_executor("thread", 2) as executor:
    found = [outcome.value for outcome in executor.imap(str.upper, "abc")]
found
"""


@pytest.fixture
def shell():
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "kaygraph_viz")
    yield made
    InteractiveShell.clear_instance()


def run(shell, line, cell):
    with capture_output() as captured:
        shell.run_cell_magic("gantt", line, cell)
    return captured


def test_the_cell_runs_in_the_namespace_and_shows_its_last_value(shell):
    captured = run(shell, "", CELL)
    assert shell.user_ns["found"] == ["A", "B", "C"]
    assert captured.outputs[0].data["text/plain"] == "['A', 'B', 'C']"


def test_chart_sentence_and_trace_come_with_it(shell):
    captured = run(shell, "--title Three letters --trace mine", CELL)
    assert captured.outputs[-1].data["text/plain"].startswith("<Figure")
    assert "3 branches" in captured.stdout
    assert isinstance(shell.user_ns["mine"], Trace)


@pytest.mark.parametrize("options", ["--help", "--help --virtual"])
def test_help_names_every_option_and_runs_nothing(shell, options):
    captured = run(shell, options, "1 / 0")
    assert captured.stdout.startswith("Usage: %%gantt [--virtual]")
    words = set(captured.stdout.replace("]", " ").split())
    assert {"--seed", "--save", "--by", "--key", "--live", "--capture", "--help"} <= words


def test_the_legend_is_explained_on_request(shell, monkeypatch):
    asked = []
    draw = magics.gantt
    monkeypatch.setattr(
        magics, "gantt", lambda *args, **options: asked.append(options["legend"]) or draw(*args, **options)
    )
    run(shell, "--key", CELL)
    run(shell, "", CELL)
    assert asked == [True, False]


def test_a_single_line_shows_the_help(shell):
    with capture_output() as captured:
        shell.run_line_magic("gantt", "")
    assert "--capture" in captured.stdout


def test_a_cell_that_fails_shows_its_chart_and_raises(shell):
    with pytest.raises(ZeroDivisionError):
        run(shell, "", CELL + "\n1 / 0\n")
    assert len(shell.user_ns["trace"])


def test_captured_calls_show_their_arguments_on_request(shell):
    cell = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool: pool.submit(abs, -7)"
    run(shell, "--capture futures --arguments", cell)
    assert [each.attributes["label"] for each in shell.user_ns["trace"]] == ["-7"]


def test_simulated_time_is_exact(shell):
    run(shell, "--virtual --seed 3", "import kaygraph_viz as kv\nwith kv.span('tea'):\n    kv.sleep(180)")
    assert shell.user_ns["trace"].makespan_s == 180


def test_the_trace_is_saved(shell, tmp_path):
    run(shell, f"--save {tmp_path}/run.jsonl", CELL)
    assert list(load(tmp_path / "run.jsonl")) == list(shell.user_ns["trace"])


def test_a_cell_that_records_nothing_says_so(shell):
    assert "Nothing was recorded" in run(shell, "", "1 + 1").stdout


def test_live_chart_is_there_before_the_cell_runs_and_is_summed_up_after_it(shell):
    captured = run(shell, "--live --title Three letters", CELL)
    assert captured.outputs[0].data["text/plain"] == "<Timeline, live>"
    assert "3 branches" in captured.stdout


def test_live_chart_has_colours_of_its_own(shell):
    with pytest.raises(OptionError, match="--by must be left out with --live"):
        run(shell, "--live --by name", CELL)


def test_a_semicolon_keeps_the_value_to_itself(shell):
    captured = run(shell, "", "import kaygraph_viz as kv\nwith kv.span('a'): pass\n1 + 1;")
    assert [output.data["text/plain"][:7] for output in captured.outputs] == ["<Figure"]


def test_awaiting_is_a_clear_error(shell):
    with pytest.raises(DataError, match="cannot await"):
        run(shell, "", "await something()")


def test_a_seed_without_simulated_time_is_a_clear_error(shell):
    with pytest.raises(OptionError, match="virtual"):
        run(shell, "--seed 3", "1")


def test_capture_records_what_knows_nothing_of_us(shell, capsys):
    shell.run_cell_magic(
        "gantt", "--capture futures",
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool:\n    pool.submit(len, [])",
    )  # fmt: skip
    assert [span.name for span in shell.user_ns["trace"]] == ["len"]


# -- completion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ('get_executor("pro', ["process"]),
        ("kv.get_executor( 'd", ["dask"]),
        ('kv.get_executor("thread", "pro', []),
        ('kv.record(clock="', ["virtual"]),
        ('kv.record(clock="virtual", capture="all', ["all"]),
        ('kv.record(capture="asyncio,futures,th', ["threading"]),
        ('node = Node(executor = "as', ["async"]),
        ('playground("map', ["mapreduce"]),
        ('batch_graph(schedule="longest-', ["longest-first"]),
        ('print("pro', []),
        ("x = process", []),
        ("%%gantt --vir", ["--virtual"]),
        ("%%gantt --virtual --ca", ["--capture"]),
        ("%%gantt --capture futures,jo", ["joblib"]),
        ("%%gantt --by ", ["part", "name", "status"]),
        ("%%gantt --title Run n", []),
        ("%%gantt --save ", []),
        ("%%gantt ", []),
        ("a --vir", []),
    ],
)
def test_names_that_may_stand_there(line, names):
    assert names_at(line) == names


def test_the_names_are_those_that_are_taken():
    assert set(NAMES["playground"]) == set(PATTERNS)
    assert set(NAMES["on_error"]) == set(ON_ERROR)
    parser = magics._Magics.gantt.parser
    assert OPTIONS.keys() == {word for action in parser._actions for word in action.option_strings}


@pytest.fixture
def shell_completion():
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "kaygraph_viz")
    made.run_line_magic("reload_ext", "kaygraph_viz")
    yield made
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("cell", ['kv.get_executor("pro', "%%gantt --by part --vir", 'f(schedule="longest-f'])
def test_a_shell_that_has_loaded_the_extension_completes_them(shell_completion, cell):
    with provisionalcompleter():
        found = list(shell_completion.Completer.completions(cell, len(cell)))
    wanted = names_at(cell)
    assert [cell[: each.start] + each.text for each in found] == [cell[: -len(begun(cell))] + name for name in wanted]


def begun(cell):
    return cell[max(cell.rfind(mark) for mark in '" ') + 1 :]
