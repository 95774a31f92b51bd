"""The benchmarks run and give figures; no test depends on how large these are."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.harness import (
    Benchmark,
    Measured,
    Result,
    Scale,
    alternate,
    in_subprocess,
    measure,
    quiet_median,
    registered,
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(__file__).resolve().parents[1]
PEERS = {
    "PocketFlow": "pocketflow", "VizTracer": "viztracer", "OpenTelemetry": "opentelemetry.sdk", "joblib": "joblib",
    "Dask": "dask",
}  # fmt: skip


@pytest.mark.parametrize("row", registered(), ids=lambda row: row.name)
def test_each_row_gives_finite_figures(row: Benchmark) -> None:
    for word, module in PEERS.items():
        if word in row.name:
            pytest.importorskip(module)
    result = measure(row, Scale(is_quick=True))
    if result.measured is None:
        assert "/proc" in result.reason or "Chromium" in result.reason or "playwright" in result.reason
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
def three_rows(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Two rows that are measured, and between them one that raises."""

    def use(error: BaseException) -> None:
        def fail(scale: Scale) -> Measured:
            raise error

        runs = {"first": lambda scale: Measured(1.0, 1.0), "broken": fail, "last": lambda scale: Measured(1.0, 1.0)}
        rows = tuple(Benchmark(name, "peer", "s", 1.0, "", run) for name, run in runs.items())
        monkeypatch.setattr("benchmarks.__main__.registered", lambda: rows)

    return use


def test_a_row_that_fails_is_shown_and_the_others_are_measured(three_rows, tmp_path, capsys) -> None:
    three_rows(AssertionError("10 came\nback"))
    assert main(["--json", str(path := tmp_path / "results.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["first", "broken", "last"]
    assert lines[3].split(maxsplit=2)[2].strip() == "failed  peer; AssertionError: 10 came back"
    assert [row["verdict"] for row in json.loads(path.read_text())["rows"]] == ["ok", "failed", "ok"]


def test_an_interrupt_keeps_the_rows_so_far(three_rows, tmp_path, capsys) -> None:
    three_rows(KeyboardInterrupt())
    assert main(["--json", str(path := tmp_path / "results.json")]) == 130
    assert capsys.readouterr().out.splitlines()[-1] == "interrupted: 1 of 3 rows were measured"
    assert [row["name"] for row in json.loads(path.read_text())["rows"]] == ["first"]


def test_a_program_that_fails_is_told_in_one_line() -> None:
    row = Benchmark("x", "y", "s", None, "", lambda scale: in_subprocess("raise ValueError('no figure')"))  # type: ignore[arg-type, return-value]
    assert measure(row, Scale()).reason == "exit code 1, ValueError: no figure"


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs sh")
def test_rows_on_stopping_run_where_interrupts_are_ignored() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "stop button, 4 threads"]
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


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
