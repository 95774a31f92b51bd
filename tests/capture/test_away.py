"""What a recording wants of other processes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import cloudpickle

from kaygraph_viz.capture.away import recorder_for, wanted_by
from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.storage import RowList


class Needy:
    """A label that pickles and does not unpickle."""

    def __call__(self):
        return "needy"

    def __reduce__(self):
        return divmod, (1, 0)


def there(label) -> Recorder:
    """Return the recorder of a worker process for a recording with these labels."""
    return recorder_for(wanted_by(Recorder(REAL, cpu_time=False, label=label)), RowList(5))


def test_what_is_wanted_is_the_same_there():
    recorder = Recorder(REAL, captured=frozenset({"futures"}))
    other = recorder_for(wanted_by(recorder), RowList(5))
    assert (other.captured, other.has_cpu_time, other.label) == (recorder.captured, True, None)
    assert not there(None).has_cpu_time


def test_the_process_of_the_recording_keeps_nothing_hooked():
    plain = ThreadPoolExecutor.submit
    recorder_for(wanted_by(Recorder(REAL, captured=frozenset({"futures"}))), RowList(5))
    assert ThreadPoolExecutor.submit is plain


def test_labels_go_there_also_by_a_function_without_a_name():
    assert there("arguments").label == "arguments"
    assert there(lambda url: url[1:]).label("/tea") == "tea"


def test_labels_that_cannot_go_there_are_none():
    lock = threading.Lock()
    assert there(lambda: lock).label is None
    assert cloudpickle.dumps(Needy())
    assert there(Needy()).label is None


def test_it_is_made_once_for_all_calls():
    recorder = Recorder(REAL, label=lambda url: url)
    assert wanted_by(recorder) is wanted_by(recorder)
