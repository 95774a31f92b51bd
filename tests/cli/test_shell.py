"""The prompt: every command, and errors that come back to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kaygraph_viz import shell as shell_module
from kaygraph_viz.errors import OptionError
from kaygraph_viz.services.datasets import load_customers
from kaygraph_viz.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
GOOD = load_customers(limit=1)[0]

pytestmark = pytest.mark.usefixtures("few_customers")


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Shell(workers=2)


def test_record_is_validated(shell, capsys):
    assert shell.onecmd(json.dumps(GOOD)) is False
    assert f"{GOOD['customer_id']}: accepted" in capsys.readouterr().out


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
    assert "60 customer records, 2 workers" in capsys.readouterr().out


def test_example_completes_the_names_of_patterns(shell):
    assert (shell.complete_example("val"), shell.complete_example("x")) == (["validation"], [])


def test_workers_are_shown_and_set(shell, capsys):
    for line in ("workers", "workers 5", "workers"):
        shell.onecmd(line)
    assert capsys.readouterr().out.splitlines() == ["workers: 2", "workers: 5", "workers: 5"]


def test_workers_that_were_set_are_used(shell, capsys):
    shell.onecmd("workers 3")
    shell.onecmd("example")
    assert "60 customer records, 3 workers" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["0", "-1", "--5", "²", "x", "1e9", "2.5", "9" * 5_000, "4097"])
def test_impossible_number_of_workers_is_said_and_changes_nothing(shell, capsys, number):
    assert shell.onecmd(f"workers {number}") is False
    assert capsys.readouterr().out.startswith("workers must be a whole number from 1 to 4096, got")
    assert shell.workers == 2


def test_gantt_before_any_run_says_what_to_do(shell, capsys, tmp_path):
    shell.onecmd("gantt")
    assert "nothing has been run yet" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_gantt_writes_the_charts_of_the_last_run_and_says_where(shell, capsys):
    shell.onecmd("validate")
    capsys.readouterr()
    shell.onecmd("gantt")
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(printed) == sorted(Path("out").iterdir())
    assert Path("out/validation-gantt.png") in printed


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
    shell.onecmd("validate")
    shell.onecmd("gantt")
    assert Path("out/validation-trace.jsonl.gz").read_bytes() != first


def test_gantt_overwrites_with_force(tmp_path):
    (tmp_path / "validation-gantt.png").write_text("mine")
    shell = Shell(workers=2, out=tmp_path, force=True)
    shell.onecmd("validate")
    shell.onecmd("gantt")
    assert (tmp_path / "validation-gantt.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("make me a sandwich", "names no pattern"),
        ("{", "not valid JSON"),
        ("validate {", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("example enrichment", "example must be one of validation"),
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


def test_folder_that_cannot_be_made_is_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    shell = Shell(workers=2, out=tmp_path / "file" / "out")
    shell.onecmd("validate")
    capsys.readouterr()
    assert shell.onecmd("gantt") is False
    assert "Not a directory" in capsys.readouterr().out


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


@pytest.mark.parametrize("name", ["validate", "example", "workers", "gantt", "quit"])
def test_every_command_has_help(capsys, name):
    Shell(workers=2).onecmd(f"help {name}")  # made here, since a shell keeps the output that it was made with
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("workers", [0, -1, True, "4"])
def test_shell_with_an_impossible_number_of_workers_is_refused(workers):
    with pytest.raises(OptionError):
        Shell(workers=workers)


def session(lines, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--interactive", *arguments],
        input=lines, cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


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
    assert {tmp_path / line for line in said["gantt"].split()} == set((tmp_path / "charts").iterdir())


def test_end_of_the_input_ends_the_session(tmp_path):
    done = session("workers\n", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("workers: 8\nkaygraph> \n")
