"""Tab completion of the command line, where argcomplete is installed.

Belongs here: what may stand where. Does not belong here: the options of the commands (their modules), the prompt of
``--interactive`` (``shell``) and completion in IPython (``kaygraph_viz.magics``).

A shell in which ``register-python-argcomplete kaygraph-viz`` was evaluated starts the program at each press of Tab,
with the line so far in the environment.
"""

from __future__ import annotations

import os
from argparse import Action
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from kaygraph_viz.capture.kinds import KINDS
from kaygraph_viz.cli.terminal import OK, Parser
from kaygraph_viz.course.examples.example import EXAMPLES

__all__ = ["complete", "completer_for", "parser_for", "words_for"]


def complete(commands: Sequence[str]) -> int:
    """Answer a shell that asks what could come next, and return the exit code if there is nothing to answer with."""
    try:
        import argcomplete
    except ImportError:  # the shell was told of a program that has been installed anew since
        return OK
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT") or 0)]
    parser, skipped = parser_for(line, commands)
    os.environ["_ARGCOMPLETE"] = str(int(os.environ["_ARGCOMPLETE"]) + skipped)
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=completer_for(commands))
    return OK


def parser_for(line: str, commands: Sequence[str]) -> tuple[Parser, int]:
    """Return the parser of what is being typed, and how many words of the line come before those that it reads."""
    whole = line.split(" ")[:-1]  # the last word is still being typed
    command = whole[1] if whole[1:] and whole[1] in commands else "patterns"
    parser: Parser = import_module(f"kaygraph_viz.cli.{command}").parser()
    return parser, int(command != "patterns")


def words_for(argument: str, prefix: str, commands: Sequence[str]) -> Iterable[str]:
    """Return the words that may stand for an argument and begin with what is typed; none where a file is expected."""
    if argument == "input":
        return [word for word in (*commands, *EXAMPLES) if word.startswith(prefix)]
    if argument != "capture":
        return []
    before, comma, begun = prefix.rpartition(",")
    return [before + comma + kind for kind in (*KINDS, *([] if comma else ["all"])) if kind.startswith(begun)]


def completer_for(commands: Sequence[str]) -> Any:
    """Return what argcomplete asks for the words of an argument without choices."""
    from argcomplete.completers import FilesCompleter

    def words(prefix: str, action: Action, **_: object) -> list[str]:
        files: Iterable[str] = FilesCompleter()(prefix) if action.type is None else []
        return [*words_for(action.dest, prefix, commands), *files]

    return words
