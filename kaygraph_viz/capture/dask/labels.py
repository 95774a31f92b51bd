"""Labels of Dask's tasks, given the results that they need: here, or where a cluster runs them.

Belongs here: what the arguments of a task are. Does not belong here: what a label looks like (``capture.calls``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaygraph_viz.capture.calls import ARGUMENTS, Label, belongs_to, label_by

_DASK = frozenset({"dask", "distributed"})
_REFERS_BY = {"TaskRef": "key", "Alias": "target"}  # by class of an argument: what has the key of a result


def label_of_task(label: Label | None, task: Any, results: Mapping[Any, Any]) -> str:
    """Return the label of a task; empty for none, and for tasks of Dask's own."""
    function = getattr(task, "func", None)
    if label is None or function is None or belongs_to(function, _DASK):
        return ""
    is_deep = label != ARGUMENTS  # which shows no lists
    args = tuple(_value(each, results, is_deep=is_deep) for each in task.args)
    keywords = {name: _value(each, results, is_deep=is_deep) for name, each in task.kwargs.items()}
    return label_by(label, function, args, keywords)


def _value(argument: Any, results: Mapping[Any, Any], *, is_deep: bool) -> Any:
    """Return an argument with the results to which it refers, also within lists and dicts; nothing of it is run."""
    kind = type(argument)
    if not belongs_to(kind, _DASK):
        return argument
    if kind.__name__ in _REFERS_BY:
        return results.get(getattr(argument, _REFERS_BY[kind.__name__]))
    if is_deep and hasattr(kind, "to_container"):
        return argument.constructor([_value(each, results, is_deep=True) for each in argument.args])
    return argument
