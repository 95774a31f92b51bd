"""The benchmarks run and give figures; no test depends on how large these are."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.harness import Benchmark, Measured, Result, Scale, alternate, measure, quiet_median, registered

pytestmark = pytest.mark.filterwarnings("error")

PEERS = {"PocketFlow": "pocketflow", "VizTracer": "viztracer", "OpenTelemetry": "opentelemetry.sdk"}


@pytest.mark.parametrize("row", registered(), ids=lambda row: row.name)
def test_each_row_gives_finite_figures(row: Benchmark) -> None:
    for word, module in PEERS.items():
        if word in row.name:
            pytest.importorskip(module)
    result = measure(row, Scale(is_quick=True))
    if result.measured is None:
        assert "/proc" in result.reason
        pytest.skip(result.reason)
    figures = (result.measured.ours, result.measured.peer)
    assert all(math.isfinite(figure) for figure in figures)
    assert all(figure > 0 for figure in figures) or (row.unit == "modules" and figures == (0, 5))


def test_names_are_unique_and_every_target_is_a_ratio() -> None:
    rows = registered()
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.target is None or row.target >= 0 for row in rows)


def test_turns_alternate_after_one_of_each_to_warm_up() -> None:
    turns: list[str] = []
    costs = iter(range(100, 0, -1))

    def turn(who: str) -> float:
        turns.append(who)
        return float(next(costs))

    measured = alternate(lambda: turn("ours"), lambda: turn("peer"), 2)
    assert turns == ["ours", "peer"] * 3
    assert measured == Measured(96.0, 95.0)


@pytest.mark.parametrize(
    ("costs", "expected"), [([3.0], 3.0), ([1.0, 9.0], 1.0), ([9.0, 1.0, 2.0], 1.5), ([4.0, 3.0, 2.0, 1.0, 99.0], 2.0)]
)
def test_quiet_median_ignores_the_slower_half(costs: list[float], expected: float) -> None:
    assert quiet_median(costs) == expected


@pytest.mark.parametrize(
    ("target", "ours", "verdict"), [(None, 9.0, "info"), (1.0, 2.0, "ok"), (1.0, 2.1, "over"), (0.0, 0.0, "ok")]
)
def test_verdict(target: float | None, ours: float, verdict: str) -> None:
    row = Benchmark("x", "y", "s", target, "", lambda scale: Measured(ours, 2.0))
    assert measure(row, Scale()).verdict == verdict


def test_a_row_without_its_peer_is_skipped() -> None:
    def run(scale: Scale) -> Measured:
        raise ImportError("No module named 'peer'")

    result = measure(Benchmark("x", "y", "s", 1.0, "", run), Scale())
    assert (result.verdict, result.measured) == ("skipped", None)
    assert "No module named 'peer'" in result.reason


@pytest.fixture
def one_row_over_target(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Benchmark("slow thing", "fast thing", "s", 1.0, "", lambda scale: Measured(2.0, 1.0))
    monkeypatch.setattr("benchmarks.__main__.registered", lambda: (row,))


@pytest.mark.usefixtures("one_row_over_target")
def test_only_check_makes_a_row_over_its_target_an_exit_code() -> None:
    assert main([]) == 0
    assert main(["--check"]) == 1


@pytest.mark.usefixtures("one_row_over_target")
def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    main(["--json", str(path)])
    machine, headings, line = capsys.readouterr().out.splitlines()
    assert "cores" in machine
    assert "GIL" in machine
    assert headings.split()[:5] == ["name", "ours", "peer", "ratio", "target"]
    assert line.split() == ["slow", "thing", "2", "s", "1", "s", "2.00", "1", "over", "fast", "thing"]
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["name"], row["ratio"], row["verdict"]) == ("slow thing", 2.0, "over")


def test_only_chooses_by_part_of_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--only", "MEMORY OF A SPAN"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_name_that_fits_no_row_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "no such row"])
    assert "--list" in capsys.readouterr().err


def test_ratio_against_nothing_is_no_number() -> None:
    assert math.isnan(Result(registered()[0], Measured(1.0, 0.0)).measured.ratio)  # type: ignore[union-attr]
