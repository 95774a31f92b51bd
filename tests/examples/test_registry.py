"""Which examples there are, and what holds for each of them."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import OptionError, OutputExistsError
from kaygraph_viz.cli.run_output import check_outputs
from kaygraph_viz.course.examples.example import EXAMPLES, Setup, run_example
from kaygraph_viz.execute.registry import KINDS

SEED_ORDER = ["validation", "enrichment", "batch", "mapreduce", "pipeline", "coordination", "report", "stream"]


@pytest.fixture(scope="module", params=EXAMPLES)
def found(request):
    return run_example(request.param, Setup(clock="virtual", items=6, workers=3))


def test_examples_stand_in_the_order_in_which_they_are_told():
    assert list(EXAMPLES) == [name for name in SEED_ORDER if name in EXAMPLES]


def test_unknown_example_names_those_that_exist():
    with pytest.raises(OptionError, match=r"example must be one of validation, .* or all, got 'sandwich'"):
        run_example("sandwich")


def test_example_has_its_own_name_and_says_what_was_run(found):
    assert found.name in EXAMPLES
    assert found.title


def test_traces_are_valid_and_have_captions(found):
    assert [name for name, trace in found.traces.items() if not trace.validate().counts()["branch"]] == []
    assert found.traces.keys() | found.extras.keys() == found.captions.keys()


def test_names_of_traces_fit_into_names_of_files(found):
    assert [name for name in found.traces if not name.replace("-", "").isalnum()] == []


def test_command_line_protects_every_file_that_the_example_offers(found, tmp_path):
    for end in found.extras:
        (tmp_path / f"{found.name}-{end}").touch()
        with pytest.raises(OutputExistsError):
            check_outputs(tmp_path, found.name, force=False)
        (tmp_path / f"{found.name}-{end}").unlink()


def test_everything_is_measured_against_a_serial_run(found):
    facts = found.measured.facts()
    wanted = {"ok", "failed", "one after the other", "in parallel", "measured speedup", "throughput", "workers used"}
    assert wanted <= {fact.label for fact in facts}
    assert found.measured.bottleneck is not None
    assert found.is_simulated


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs_on_every_kind_of_worker_or_says_why_not(name, kind):
    found = run_example(name, Setup(clock="virtual", items=2, workers=2, executor=kind))
    lanes = {span.lane for span in found.trace.validate().where(kind="branch")}
    used = lanes == {"main"} if kind == "serial" else any(lane.startswith(kind) for lane in lanes)
    said = any(f"cannot run on {kind!r}" in note for note in found.notes)
    assert used != said


@pytest.mark.parametrize("name", EXAMPLES)
def test_two_runs_in_simulated_time_are_the_same(name, tmp_path):
    def trace(file):
        return run_example(name, Setup(clock="virtual", items=6, workers=3)).trace.save(tmp_path / file).read_bytes()

    assert trace("one.jsonl") == trace("two.jsonl")
