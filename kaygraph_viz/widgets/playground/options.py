"""Which controls a run function asks for: its keywords, with their labels, units, ranges and choices.

Belongs here: reading a signature. Does not belong here: widgets (``playground``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.trace.trace import Trace

Run = Callable[..., Trace]
WORKERS = "workers"
MAX_CHOICES = 64


@dataclass(frozen=True, kw_only=True)
class Option:
    """An argument of a run function that a control can set: its range or its choices."""

    name: str
    label: str
    tip: str
    value: Any
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: Mapping[str, Any] | None = None
    is_task: bool = False
    unit: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.choices is None and isinstance(self.step, int)

    def shown(self, value: object) -> str:
        """Return the label of a value, with its unit."""
        for words, chosen in (self.choices or {}).items():
            if chosen == value:
                return words
        return f"{value:g}{self.unit}" if isinstance(value, (int, float)) else str(value)

    @property
    def plain_label(self) -> str:
        """The label in running text: without the unit."""
        return self.label.split(" [")[0].lower()

    def named(self, value: object) -> str:
        """Return a value in running text, with the label where the value alone would not be understood."""
        return self.shown(value) if self.is_telling else f"{self.plain_label} {self.shown(value)}"

    @property
    def is_telling(self) -> bool:
        """Whether its values are understood without the label."""
        return self.name in ("executor", "schedule")

    def allows(self, value: object) -> bool:
        """Return whether a value is in the range or among the choices."""
        if self.choices is not None:
            return value in self.choices.values()
        kind = int if self.is_whole else (int, float)
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high  # type: ignore[operator]  # both are numbers then

    def starting_at(self, value: object) -> Option:
        """Return a copy that starts at a value, which becomes part of its range or choices."""
        if self.choices is not None:
            fits = any(value == known for known in self.choices.values())
            words = "default" if value is None else str(value)
            return replace(self, value=value, choices=self.choices if fits else {words: value, **self.choices})
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return self
        value = round(value) if self.is_whole else value
        return replace(self, value=value, low=min(self.low or 0, value), high=max(self.high or 0, value))


def _same(*words: str) -> dict[str, Any]:
    return {word: word for word in words}


KNOWN = {
    option.name: option
    for option in (
        Option(name=WORKERS, label="Workers", tip="How many branches may run at once", value=4, low=1, high=16, step=1),
        Option(
            name="executor", label="Executor", value="thread", choices=_same("thread", "process", "async", "serial"),
            tip="What runs the branches: threads, processes, coroutines, or only this thread, one after the other",
        ),
        Option(
            name="schedule", label="Schedule", value="dynamic", choices=_same("dynamic", "static", "longest-first"),
            tip="How workers get items: when free the next one, equal shares at the start, or the longest first",
        ),
        Option(
            name="items", label="Items", value=40, low=1, high=200, step=1, is_task=True,
            tip="How many items there are to work on",
        ),
        Option(
            name="latency_s", label="Latency [s]", value=0.02, low=0.0, high=0.5, step=0.01, is_task=True, unit=" s",
            tip="How long an answer takes on average, in seconds",
        ),
        Option(
            name="failure_rate", label="Failure rate [0-1]", value=0.0, low=0.0, high=1.0, step=0.05, is_task=True,
            tip="The share of the calls that fail: 0 for none, 1 for all",
        ),
        Option(
            name="seed", label="Seed", value=0, low=0, high=99, step=1, is_task=True,
            tip="Another seed gives other latencies and failures; the same seed gives the same ones again",
        ),
        Option(
            name="clock", label="Time", value="virtual", choices={"simulated": "virtual", "real": None}, is_task=True,
            tip="Simulated time is the same on every machine and needs no waiting; real time really passes",
        ),
    )
}  # fmt: skip
KNOWN["latency"] = replace(KNOWN["latency_s"], name="latency")

Given = Mapping[str, Sequence[Any]]


def options_of(run: Run, given: Given | None = None) -> list[Option]:
    """Return the options of a run function, the number of workers first."""
    wanted = {WORKERS: KNOWN[WORKERS]}
    parameters = _keywords(run)
    for name, parameter in parameters.items():
        option = KNOWN.get(name)
        if option is None and get_origin(parameter.annotation) is Literal:
            option = _chosen(name, {str(choice): choice for choice in get_args(parameter.annotation)})
        if option is not None:
            wanted[name] = _begun(option, parameter)
    for name, values in (given or {}).items():
        if name not in wanted and name not in parameters:
            raise OptionError("controls", name, f"a keyword of run: {', '.join({WORKERS: 0, **parameters})}")
        wanted[name] = _limited(name, wanted.get(name), values, parameters.get(name))
    known = [*KNOWN]
    return sorted(wanted.values(), key=lambda option: known.index(option.name) if option.name in known else len(known))


def call_with(run: Run, settings: Mapping[str, Any]) -> Any:
    """Call a run function: the number of workers by its keyword, or else as the first argument."""
    if WORKERS in _keywords(run):
        return run(**settings)
    others = dict(settings)
    return run(others.pop(WORKERS), **others)


def _keywords(run: Run) -> dict[str, inspect.Parameter]:
    """Return the keyword parameters, without the first one where that is the number of workers."""
    try:
        signature = inspect.signature(run, eval_str=True)
    except Exception:  # a function of C, or annotations that cannot be read here
        try:
            signature = inspect.signature(run)
        except (TypeError, ValueError):
            return {}
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = {name: each for name, each in signature.parameters.items() if each.kind in named}
    first = next(iter(signature.parameters.values()), None)
    if WORKERS not in found and first is not None and first.kind != inspect.Parameter.KEYWORD_ONLY:
        found.pop(first.name, None)
    return found


def _begun(option: Option, parameter: inspect.Parameter) -> Option:
    """Return an option with the choices of the annotation and the default of the signature."""
    choices = get_args(parameter.annotation) if get_origin(parameter.annotation) is Literal else ()
    if choices:
        known = (option.choices or {}).items()
        words = [next((word for word, value in known if value == choice), str(choice)) for choice in choices]
        option = replace(option, choices=dict(zip(words, choices, strict=True)), value=choices[0])
    if parameter.default is inspect.Parameter.empty or (parameter.default is None and option.choices is None):
        return option
    return option.starting_at(parameter.default)


def _chosen(name: str, choices: Mapping[str, Any]) -> Option:
    label = name.replace("_", " ").capitalize()
    tip = f"The argument {name} of the run"
    return Option(name=name, label=label, tip=tip, value=next(iter(choices.values())), choices=choices, is_task=True)


def _limited(name: str, option: Option | None, values: Sequence[Any], parameter: inspect.Parameter | None) -> Option:
    """Return an option with the range or the choices that were asked for."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
        raise OptionError(
            f"controls[{name!r}]", values, "a range or a list of choices", 'controls={"items": range(1, 101)}'
        )
    if isinstance(values, range):
        option = option or _chosen(name, {"": 0})
        first, last = min(values), max(values)
        value = option.value if option.value in values else first
        option = replace(option, low=first, high=last, step=abs(values.step), choices=None, value=value)
    else:
        choices = {str(value): value for value in values[:MAX_CHOICES]}
        old = replace(option, choices=choices, low=None, high=None, step=None) if option else _chosen(name, choices)
        option = old if old.value in values else replace(old, value=values[0])
    default = inspect.Parameter.empty if parameter is None else parameter.default
    return replace(option, value=default) if option.allows(default) else option
