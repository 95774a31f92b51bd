"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from kaygraph_viz import cli
from kaygraph_viz.cli import main
from kaygraph_viz.services.datasets import load_customers, load_customers_key
from kaygraph_viz.trace.trace import load

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 60  # against a test that hangs; never waited for
PNG = b"\x89PNG\r\n\x1a\n"
OUTPUTS = {
    "validation-serial-gantt.png",
    "validation-gantt.png",
    "validation-diagram.png",
    "validation-trace.jsonl.gz",
}
GOOD = next(one for one in load_customers(limit=60) if load_customers_key()[one["customer_id"]].is_clean)
BAD = {**GOOD, "email": "nowhere"}

pytestmark = pytest.mark.usefixtures("few_customers")


def one_line_of_error(capsys):
    """Return the only line that was printed, which is on the error channel."""
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("kaygraph-viz: ")
    return line


# -- examples -----------------------------------------------------------------------------------------------------


def test_no_argument_runs_every_example(capsys):
    assert main([]) == 0
    printed = capsys.readouterr()
    assert "Parallel validation: 4 checks of each of 60 customer records, 8 workers" in printed.out
    assert printed.err == ""


def test_example_prints_the_facts_that_were_measured(capsys):
    assert main(["--example", "validation", "--workers", "2"]) == 0
    printed = capsys.readouterr().out
    planted = sum(not load_customers_key()[one["customer_id"]].is_clean for one in load_customers(limit=60))
    assert re.search(rf"planted faults found +{planted} of {planted}\b", printed)
    assert re.search(r"measured speedup +[\d.]+", printed)
    assert "60 customer records, 2 workers" in printed


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--example", "enrichment"], "invalid choice: 'enrichment'"),
        (["--workers", "x"], "invalid int value: 'x'"),
        (["--workers", "1e9"], "invalid int value: '1e9'"),
        (["--workers", "0"], "from 1 to 4096, got 0"),
        (["--workers", "-1"], "from 1 to 4096, got -1"),
        (["--workers", "1000000000"], "from 1 to 4096, got 1000000000"),
        (["--workers"], "expected one argument"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["{}", "{}"], "unrecognized arguments: {}"),
        (["--interactive", "--workers", "0"], "from 1 to 4096, got 0"),
        (["{}", "--workers", "0"], "from 1 to 4096, got 0"),
    ],
)
def test_impossible_arguments_are_one_line_and_exit_code_2(capsys, arguments, says):
    assert main(arguments) == 2
    assert says in one_line_of_error(capsys)


@pytest.mark.parametrize("name", ["--help", "--version"])
def test_help_and_version_succeed(capsys, name):
    with pytest.raises(SystemExit) as left:
        main([name])
    assert left.value.code == 0
    assert "kaygraph-viz" in capsys.readouterr().out


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    options = ["--example", "--workers", "--out", "--force", "--interactive", "--version"]
    assert [option for option in options if option not in printed] == []


def test_checkout_that_is_not_installed_still_runs(capsys, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(cli, "version", missing)
    assert main([json.dumps(GOOD)]) == 0


# -- files --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Run an example once into a folder that is made for it."""
    out = tmp_path_factory.mktemp("cli") / "new" / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kaygraph_viz.patterns.examples.load_customers", lambda: load_customers(limit=60))
        assert main(["--out", str(out), "--workers", "4"]) == 0
    return out


def test_charts_and_trace_are_written(written):
    assert {path.name for path in written.iterdir()} == OUTPUTS


def test_pictures_are_png_files(written):
    assert [path.name for path in written.glob("*.png") if not path.read_bytes().startswith(PNG)] == []


def test_written_trace_is_valid_and_holds_the_parallel_run(written):
    trace = load(written / "validation-trace.jsonl.gz").validate()
    assert trace.counts()["branch"] == 4 * 2  # two of the 60 records are drawn
    assert len({span.lane for span in trace.where(kind="branch")}) <= 4


def test_no_figure_stays_open(written):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    assert main([json.dumps(GOOD), "--out", str(written), "--force"]) == 0
    assert plt.get_fignums() == before


def test_place_of_the_files_is_said(tmp_path, capsys):
    main([json.dumps(GOOD), "--out", str(tmp_path)])
    assert f"Charts and traces are in {tmp_path}{os.sep}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], [json.dumps(GOOD)], ["validate this"]])
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_existing_file_is_refused_and_left_untouched(tmp_path, capsys, arguments, name):
    (tmp_path / name).write_text("mine")
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert f"{tmp_path / name} exists; add --force" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_existing_file_is_overwritten_with_force(tmp_path):
    (tmp_path / "validation-gantt.png").write_text("mine")
    assert main(["--out", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "validation-gantt.png").read_bytes().startswith(PNG)


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert main([json.dumps(GOOD), "--out", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "deeper"])
def test_folder_that_is_a_file_or_below_one_is_one_line(tmp_path, capsys, below):
    (tmp_path / "file").write_text("mine")
    assert main(["--out", str(tmp_path / "file" / below)]) == 2
    assert "file" in one_line_of_error(capsys)
    assert (tmp_path / "file").read_text() == "mine"


def test_picture_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "validation-gantt.png").mkdir()
    assert main([json.dumps(GOOD), "--out", str(tmp_path), "--force"]) == 2
    assert "validation-gantt.png" in capsys.readouterr().err


# -- records ------------------------------------------------------------------------------------------------------


def test_good_record_is_accepted(capsys):
    assert main([json.dumps(GOOD)]) == 0
    assert f"{GOOD['customer_id']}: accepted" in capsys.readouterr().out


def test_bad_record_is_rejected_with_a_reason_and_exit_code_1(capsys):
    assert main([json.dumps(BAD)]) == 1
    printed = capsys.readouterr().out
    assert f"{GOOD['customer_id']}: rejected" in printed
    assert "format: email: " in printed


def test_list_of_records_gives_a_verdict_for_each(capsys):
    other = {**GOOD, "customer_id": "C99999", "email": "somebody.else@example.com"}
    assert main([json.dumps([GOOD, other, {}])]) == 1
    printed = capsys.readouterr().out
    assert re.findall(r"^(.+): (accepted|rejected)$", printed, re.MULTILINE) == [
        (GOOD["customer_id"], "accepted"),
        ("C99999", "accepted"),
        ("the record", "rejected"),
    ]


def test_record_that_cannot_be_checked_is_not_accepted(capsys, monkeypatch):
    from kaygraph_viz.patterns import examples, validation
    from kaygraph_viz.services.app import ServiceSettings
    from kaygraph_viz.services.server import serve

    monkeypatch.setattr(validation, "SHORTEST_WAIT_S", 0.0)
    monkeypatch.setattr(examples, "serve", lambda settings: serve(ServiceSettings(failure_rate=1)))
    assert main([json.dumps(GOOD)]) == 1
    assert f"{GOOD['customer_id']}: needs review" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["customer_id", "name", "email", "note", "\x1b]0;owned\x07"])
def test_hostile_record_cannot_steer_the_terminal(capsys, field):
    hostile = "\x1b[31m\x1b]0;owned\x07\r\b\x00\x9b2J\u202egnp.exe\u2028\ud800" + "x" * 1_000_000
    assert main([json.dumps({**GOOD, field: hostile})]) == 1
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert all(mark.isprintable() or mark == "\n" for mark in text)
    assert len(text) < 10_000


def test_names_outside_the_coding_of_the_output_are_no_error():
    printed = run_program(json.dumps({**GOOD, "customer_id": "Łódź-7", "email": "x"}), PYTHONIOENCODING="ascii")
    assert (printed.returncode, printed.stderr) == (1, "")
    assert "rejected" in printed.stdout


def test_file_of_records_is_read(tmp_path, capsys):
    path = tmp_path / "customers.json"
    path.write_text(json.dumps([GOOD]), encoding="utf-8")
    assert main([str(path)]) == 0
    assert "accepted" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", " ", "{", "[1]", "[]", "[" * 100_000, "nowhere.json", "\x1b[31m.json", "enrich"])
def test_input_that_cannot_be_used_is_one_harmless_line(capsys, text):
    assert main([text]) == 2
    line = one_line_of_error(capsys)
    assert line.isprintable()
    assert len(line) < 600


def test_directory_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "Is a directory" in one_line_of_error(capsys)


def test_unknown_option_with_control_characters_is_harmless(capsys):
    assert main(["--\x1b[31mred\n"]) == 2
    assert one_line_of_error(capsys).isprintable()


# -- sentences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", ["Validate this user data", "please CHECK it, then enrich it", "validate " * 60])
def test_sentence_runs_the_pattern_that_it_names(capsys, sentence):
    assert main([sentence]) == 0
    assert "validation, on a record of the shipped data:" in capsys.readouterr().out


def test_sentence_without_a_pattern_says_which_can_be_run(capsys):
    assert main(["Make me a sandwich"]) == 2
    assert "names no pattern that can be run (validation)" in one_line_of_error(capsys)


# -- as a program -------------------------------------------------------------------------------------------------


def start(*command, **environment):
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    out, err = process.communicate(timeout=GUARD_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_program(*arguments, **environment):
    return finished(start(sys.executable, "main.py", *arguments, **environment))


def test_whole_data_set_is_run_by_main_py_without_a_bar():
    done = run_program("--example", "validation", "--workers", "16")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"planted faults found +408 of 408\n", done.stdout)
    assert re.search(r"clean records rejected +0 of 1,592\n", done.stdout)


def test_module_is_the_same_program():
    done = finished(start(sys.executable, "-m", "kaygraph_viz", "--workers", "0"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kaygraph-viz: workers must be a whole number from 1 to 4096, got 0. For example: workers=4\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [json.dumps(BAD)]])
def test_reader_that_has_gone_is_no_error(arguments):
    process = start(sys.executable, "main.py", *arguments)
    process.stdout.close()  # before anything can have been written
    process.stdout = None
    done = finished(process)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("sh") is None or shutil.which("head") is None, reason="needs sh and head")
def test_reader_of_one_line_is_no_error(tmp_path):
    path = tmp_path / "many.json"
    path.write_text(json.dumps([{"customer_id": str(number)} for number in range(2_000)]))  # more than a pipe holds
    script = '("$0" main.py "$1" 2>"$2"; echo $? >"$3") | head -n 1'
    done = finished(start("sh", "-c", script, sys.executable, str(path), str(tmp_path / "err"), str(tmp_path / "code")))
    assert done.stdout == "0: rejected\n"
    assert ((tmp_path / "err").read_text(), (tmp_path / "code").read_text()) == ("", "0\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_is_full_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "main.py", json.dumps(GOOD)],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=GUARD_S, check=False,
        )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
def test_closed_output_is_no_error():
    done = finished(start("sh", "-c", '"$0" main.py "$1" >&-', sys.executable, json.dumps(GOOD)))
    assert (done.returncode, done.stderr) == (0, "")


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests themselves ignore it
from kaygraph_viz.cli import main
from kaygraph_viz.patterns import examples
from kaygraph_viz.services.app import ServiceSettings
from kaygraph_viz.services.server import serve

def announce(record):
    print("running", flush=True)
    return []

examples.serve = lambda settings: serve(ServiceSettings(hang_rate=1))
examples.check_security = announce
sys.exit(main(["--example", "validation", "--workers", "4"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_while_the_service_hangs_ends_with_130_and_leaves_nothing_behind():
    process = start(sys.executable, "-c", INTERRUPTED)
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert (done.returncode, done.stderr) == (130, "kaygraph-viz: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of its session is left
