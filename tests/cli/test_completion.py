"""Tab completion of the command line: commands, patterns, options and their values."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kaygraph_viz.cli import completion
from kaygraph_viz.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def completed(tmp_path, monkeypatch):
    """Return what argcomplete offers for a line, in a folder with two files."""
    argcomplete = pytest.importorskip("argcomplete")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.jsonl.gz").touch()
    (tmp_path / "crawl.py").touch()

    def completed(line):
        parser, skipped = completion.parser_for(f"kaygraph-viz {line}", COMMANDS)
        finder = argcomplete.CompletionFinder(
            parser, always_complete_options=False, default_completer=completion.completer_for(COMMANDS)
        )
        typed, found = line.split(" ", skipped)[-1], []
        while (word := finder.rl_complete(typed, len(found))) is not None:
            found.append(word)
        whole = typed[: typed.rfind(" ") + 1]
        return [word.removeprefix(whole).strip() for word in found]

    return completed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("re", ["record", "report"]),
        ("pip", ["pipeline"]),
        ("--example ba", ["batch"]),
        ("--executor p", ["process"]),
        ("--vir", ["--virtual"]),
        ("report --ti", ["--title"]),
        ("report ru", ["run.jsonl.gz"]),
        ("record --capture futures,a", ["futures,asyncio", "futures,anyio"]),
        ("record --cap", ["--capture"]),
        ("lessons --f", ["--force"]),
        ("grade --c", ["--csv"]),
        ("--workers ", []),
        ("nothing-like-it", []),
    ],
)
def test_what_is_begun_can_be_completed(line, words, completed):
    assert completed(line) == words


def test_a_word_that_is_begun_is_no_command_yet(completed):
    assert completed("report") == ["report"]
    assert {"run.jsonl.gz", "crawl.py"} <= set(completed("report "))


def test_commands_patterns_and_files_can_stand_first(completed):
    assert {*COMMANDS, "validation", "stream", "run.jsonl.gz"} <= set(completed(""))
    assert not [word for word in completed("") if word.startswith("-")]


@pytest.mark.processes
def test_a_shell_that_asks_gets_an_answer_and_nothing_is_run(tmp_path):
    pytest.importorskip("argcomplete")
    line = "kaygraph-viz report --fo"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPATH": str(ROOT)}
    asked["_ARGCOMPLETE_STDOUT_FILENAME"] = str(tmp_path / "answer")
    done = subprocess.run(
        [sys.executable, "-m", "kaygraph_viz"], cwd=tmp_path, env={**os.environ, **asked}, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "answer").read_text().split() == ["--force"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A folder with our program, and the environment in which a shell finds it."""
    pytest.importorskip("argcomplete")
    folder = tmp_path_factory.mktemp("shell")
    program = folder / "kaygraph-viz"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kaygraph_viz "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return folder, os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb", "PS1": "ready> "}


def documented(pattern):
    """Return what our documentation tells to type."""
    page = (ROOT / "docs/reference/command_line.md").read_text(encoding="utf-8")
    (typed,) = set(re.findall(pattern, page))
    return typed


@pytest.fixture(scope="module")
def bash(program):
    """A real bash in which what our documentation tells to type was typed; return what a line becomes by Tab."""
    pexpect = pytest.importorskip("pexpect")
    folder, env = program
    with pexpect.spawn("bash", ["--norc", "--noprofile", "-i"], env=env, cwd=str(folder), encoding="utf-8") as shell:
        shell.sendline(documented(r'eval "\$\(register-python-argcomplete .*?\)"'))

        def pressed(line):
            shell.send(f"{line}\t\x01echo '<\x05>'\r")  # Ctrl-A and Ctrl-E: to both ends of the line
            shell.expect(r"\r\n<(.*?)>\r\n", timeout=60)
            return shell.match[1]

        yield pressed


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")
@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("kaygraph-viz rec", "kaygraph-viz record "),
        ("kaygraph-viz record --capture futures,asy", "kaygraph-viz record --capture futures,asyncio "),
    ],
)
def test_tab_in_bash_completes_the_line(bash, line, whole):
    assert bash(line) == whole


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_knows_what_may_come_next(program):
    folder, env = program
    lines = [documented(r"register-python-argcomplete --shell fish .*"), "complete -C 'kaygraph-viz re'"]
    done = subprocess.run(
        ["fish", "-c", "\n".join(lines)], cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["record", "report"]


def test_without_argcomplete_a_shell_that_asks_starts_no_run(hide, monkeypatch, capsys):
    hide("argcomplete")
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert main([]) == 0
    assert capsys.readouterr().out == ""
