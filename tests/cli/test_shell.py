"""The prompt: every command, and errors that come back to it."""

from __future__ import annotations

import io
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from kaygraph_viz.cli import shell as shell_module
from kaygraph_viz.cli.shell import COMMANDS, Shell
from kaygraph_viz.course.examples.example import Setup
from kaygraph_viz.course.services.datasets import load_customers

ROOT = Path(__file__).resolve().parents[2]
GUARD_S = 100  # against a test that hangs; never waited for
GOOD = load_customers(limit=1)[0]
SIMULATED = Setup(workers=2, items=4, clock="virtual")

pytestmark = pytest.mark.usefixtures("few_customers")


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Shell(SIMULATED)


@pytest.fixture
def asked_for(monkeypatch):
    """Return what is run, with which options, instead of running it."""
    asked = []

    def noted(name, setup):
        asked.append((name, setup))
        raise KeyboardInterrupt  # so that there is nothing to print

    monkeypatch.setattr(shell_module, "run_example", noted)
    return asked


def test_validate_takes_a_record(shell, capsys):
    shell.onecmd(f"validate {json.dumps({**GOOD, 'email': 'x'})}")
    assert f"{GOOD['customer_id']}: rejected" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["validate", "validate this user data", "Validate this user data", "please check it"])
def test_without_a_record_one_of_the_shipped_data_is_taken(shell, capsys, line):
    shell.onecmd(line)
    assert "C00041: rejected" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["example", "example validation", "example  validation "])
def test_example_runs_a_pattern(shell, capsys, line):
    shell.onecmd(line)
    assert "each of 4 customer records" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "name"), [("enrich", "enrichment"), ("batch", "batch"), ("pipeline", "pipeline")])
def test_command_runs_its_pattern_on_as_many_items_as_asked_for(shell, asked_for, command, name):
    shell.onecmd(command)
    shell.onecmd(f"{command} 70")
    assert [(name, setup.items) for name, setup in asked_for] == [(name, 4), (name, 70)]
    assert shell.setup.items == 4


@pytest.mark.parametrize("number", ["0", "-1", "x", "1e9", "2.5", "9" * 5_000, "4 5"])
def test_impossible_number_of_items_is_said(shell, capsys, asked_for, number):
    assert shell.onecmd(f"batch {number}") is False
    assert capsys.readouterr().out.startswith("items must be a whole number from 1 to 1000000, got")
    assert asked_for == []


def test_mapreduce_counts_the_words_of_a_text(shell, capsys):
    shell.onecmd("mapreduce to be, or not to be")
    assert "'to' (2 times)" in capsys.readouterr().out


def test_mapreduce_without_a_text_counts_those_of_the_shipped_ones(shell, asked_for):
    shell.onecmd("mapreduce")
    assert asked_for == [("mapreduce", SIMULATED)]


def test_sentence_runs_every_pattern_that_it_names(shell, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(shell, "_example", asked.append)
    shell.onecmd("Validate this user data and count its words")
    assert "C00041: rejected" in capsys.readouterr().out
    assert asked == ["mapreduce"]


# -- settings -----------------------------------------------------------------------------------------------------


def test_workers_are_shown_and_set(shell, capsys):
    for line in ("workers", "workers 5", "workers", "workers auto"):
        shell.onecmd(line)
    assert capsys.readouterr().out.splitlines() == [
        "workers: 2", "workers: 5", "workers: 5", "workers: auto, the default of the pattern",
    ]  # fmt: skip


def test_settings_are_used(shell, asked_for):
    for line in ("workers 3", "executor process", "example"):
        shell.onecmd(line)
    ((_, setup),) = asked_for
    assert (setup.workers, setup.executor, setup.clock) == (3, "process", "virtual")


@pytest.mark.parametrize("number", ["0", "-1", "--5", "²", "x", "1e9", "2.5", "9" * 5_000, "4097"])
def test_impossible_number_of_workers_is_said_and_changes_nothing(shell, capsys, number):
    assert shell.onecmd(f"workers {number}") is False
    assert capsys.readouterr().out.startswith("workers must be a whole number from 1 to 4096, got")
    assert shell.setup == SIMULATED


def test_unknown_kind_of_worker_is_said_and_changes_nothing(shell, capsys):
    assert shell.onecmd("executor threads") is False
    assert capsys.readouterr().out.startswith("executor must be one of 'serial', 'thread'")
    assert shell.setup == SIMULATED


# -- gantt --------------------------------------------------------------------------------------------------------


def test_gantt_before_any_run_says_what_to_do(shell, capsys, tmp_path):
    shell.onecmd("gantt")
    assert "nothing has been run yet" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_gantt_writes_the_charts_of_the_last_run_and_says_where(shell, capsys):
    shell.onecmd("validate")
    capsys.readouterr()
    shell.onecmd("gantt")
    where, *files = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert where == ["In", f"out{os.sep}"]
    assert sorted(name for name, *_ in files) == sorted(path.name for path in Path("out").iterdir())
    assert "validation-gantt.png" in [name for name, *_ in files]


def test_gantt_leaves_files_from_before_the_session_alone(shell, capsys):
    Path("out").mkdir()
    Path("out/validation-gantt.png").write_text("mine")
    shell.onecmd("validate")
    shell.onecmd("gantt")
    assert "out/validation-gantt.png exists; add --force" in capsys.readouterr().out
    assert Path("out/validation-gantt.png").read_text() == "mine"


def test_gantt_overwrites_the_charts_of_this_session(shell):
    shell.onecmd("validate")
    shell.onecmd("gantt")
    first = Path("out/validation-trace.jsonl.gz").read_bytes()
    shell.onecmd("executor process")
    shell.onecmd("validate")
    shell.onecmd("gantt")
    assert Path("out/validation-trace.jsonl.gz").read_bytes() != first


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("make me a sandwich", "; help shows the commands"),
        ("{", "not valid JSON"),
        ("validate {", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("example sandwich", "example must be one of validation"),
        ("nowhere.json", "No such file"),
        (".", "Is a directory"),
        ("a\0b.json", "names no pattern"),
        ("x" * 5_000, "names no pattern"),
        ("\x1b[31m.json", "No such file"),
    ],
)
def test_error_is_one_harmless_line_and_the_prompt_comes_back(shell, capsys, line, says):
    assert shell.onecmd(line) is False
    (printed,) = capsys.readouterr().out.splitlines()
    assert says in printed
    assert printed.isprintable()


def test_interrupt_ends_the_command_and_not_the_prompt(shell, capsys, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(shell_module, "run_example", interrupted)
    assert shell.onecmd("example") is False
    assert capsys.readouterr().out == "interrupted\n"


def test_empty_line_does_nothing(shell, capsys):
    shell.onecmd("workers 3")
    capsys.readouterr()
    assert shell.onecmd("") is False
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["quit", "EOF"])
def test_quit_and_the_end_of_the_input_leave(shell, line):
    assert shell.onecmd(line) is True


# -- help and completion ------------------------------------------------------------------------------------------


def help_on(line, capsys):
    Shell().onecmd(f"help {line}".strip())
    return capsys.readouterr().out


def test_help_shows_every_command_in_a_line(capsys):
    lines = help_on("", capsys).splitlines()
    commands = {name.removeprefix("do_") for name in dir(Shell) if name.startswith("do_")}
    assert commands - COMMANDS.keys() == {"EOF"}
    assert [line.split()[0] for line in lines] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    (line,) = help_on(name, capsys).splitlines()
    assert line.startswith(COMMANDS[name][0])
    assert line.endswith(COMMANDS[name][1])


def test_help_on_an_unknown_command_shows_those_that_exist(capsys):
    printed = help_on("\x1b[31m", capsys)
    assert printed.startswith("there is no command")
    assert "validate [JSON or FILE]" in printed
    assert "\x1b" not in printed


def completed(shell, line):
    """Return what the last word of a line can be completed to, asked for as `cmd` does."""
    begin = line.rfind(" ") + 1
    complete = getattr(shell, f"complete_{line.split()[0]}", shell.completedefault) if begin else shell.completenames
    return complete(line[begin:], line, begin, len(line))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("q", ["quit"]),
        ("val", ["validate", "validation"]),
        ("ex", ["example", "executor"]),
        ("E", []),
        ("example map", ["mapreduce"]),
        ("executor a", ["auto", "async"]),
        ("executor x", []),
        ("workers 1", ["1", "16"]),
        ("help g", ["gantt"]),
        ("gantt x", []),
    ],
)
def test_words_are_completed(shell, line, words):
    assert completed(shell, line) == words


# -- a session ----------------------------------------------------------------------------------------------------


def session(lines, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--interactive", "--virtual", *arguments],
        input=lines, cwd=cwd, capture_output=True, text=True, timeout=GUARD_S, check=False,
    )  # fmt: skip


@pytest.mark.processes
def test_scripted_session(tmp_path):
    lines = ["workers 3", "bogus", "validate", "gantt", "workers", "quit"]
    done = session("\n".join(lines), "--out", "charts", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    prompts = done.stdout.split("kaygraph> ")
    assert len(prompts) == 1 + len(lines)
    said = dict(zip(lines, prompts[1:], strict=True))
    assert said["workers 3"] == said["workers"] == "workers: 3\n"
    assert "names no pattern" in said["bogus"]
    assert "C00041: rejected" in said["validate"]
    where, *written = [line.split()[:2] for line in said["gantt"].splitlines() if line]
    assert where == ["In", f"charts{os.sep}"]
    assert {name for name, _ in written} == {path.name for path in (tmp_path / "charts").iterdir()}


def test_interrupt_of_a_script_ends_it(monkeypatch):
    class Interrupting(io.StringIO):
        def readline(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        Shell().cmdloop()


AT_A_TERMINAL = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests themselves ignore it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches this program
from kaygraph_viz.cli.main import main
sys.exit(main(["--interactive", "--virtual"]))
"""


class Person:
    """Somebody who types at a terminal."""

    def __init__(self, home):
        import pty

        self.file, terminal = pty.openpty()
        self.program = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL], stdin=terminal, stdout=terminal, stderr=terminal,
            cwd=home, env={**os.environ, "HOME": str(home), "TERM": "dumb", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )  # fmt: skip
        os.close(terminal)

    def reads(self, text):
        """Return what is printed up to a text."""
        seen = ""
        while text not in seen:
            assert select.select([self.file], [], [], GUARD_S)[0], seen
            seen += os.read(self.file, 1024).decode()
        return seen

    def types(self, text, until="kaygraph> "):
        os.write(self.file, text.encode())
        return self.reads(until)

    def interrupts(self):
        """Press Ctrl-C until it is noticed: one that comes between two looks at the terminal is seen only later."""
        while not select.select([self.file], [], [], 0.5)[0]:
            os.write(self.file, b"\x03")
        return self.reads("kaygraph> ")

    def leaves(self, text):
        """Type the last line and return the exit code."""
        os.write(self.file, text.encode())
        return self.program.wait(GUARD_S)


@pytest.fixture
def person(tmp_path):
    pytest.importorskip("readline")
    pytest.importorskip("pty")
    came = []

    def sits_down():
        came.append(Person(tmp_path))
        came[-1].reads("kaygraph> ")
        return came[-1]

    yield sits_down
    for one in came:
        one.program.kill()
        one.program.wait(GUARD_S)
        os.close(one.file)


@pytest.mark.processes
def test_at_a_terminal_words_are_completed_and_lines_remembered_from_session_to_session(person):
    first = person()
    assert "workers: 7" in first.types("work\t 7\n")
    assert first.leaves("quit\n") == 0
    second = person()
    assert "workers: 7" in second.types("\x10\x10\n", until="workers: 7")  # Ctrl-P twice: the line before "quit"
    assert second.leaves("quit\n") == 0


@pytest.mark.processes
def test_at_a_terminal_ctrl_c_begins_a_new_line_and_ctrl_d_leaves(person):
    somebody = person()
    somebody.types("half a li", until="half a li")
    somebody.interrupts()
    assert "workers: 4" in somebody.types("workers 4\n")
    assert somebody.leaves("\x04") == 0
