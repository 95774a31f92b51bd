"""One kernel: what its cells show, and what happens when one hangs or ends the process."""

from __future__ import annotations

import asyncio
import os

import psutil
import pytest

from kaygraph_viz.lessons.handed_in.kernel import MAX_PRINTED, CellRun, Kernel

LONG_S = 60.0


@pytest.mark.thorough
def test_cells_show_texts_and_errors(tmp_path):
    async def run():
        async with Kernel(tmp_path, {**os.environ, "FROM_US": "yes"}) as kernel:
            cell = "import os; print(os.environ['FROM_US']); 1 + 1"
            assert await kernel.run(cell, LONG_S) == CellRun("yes\n2\n", "", "ok")
            assert await kernel.run("1 / 0", LONG_S) == CellRun(
                "ZeroDivisionError: division by zero\n", "ZeroDivisionError: division by zero", "error"
            )
            page = "class Page:\n    def _repr_html_(self): 1 / 0\n    def __repr__(self): return 'text'\nPage()"
            assert await kernel.run(page, LONG_S) == CellRun("text\n", "", "ok")  # nobody sees pages and charts
            assert (await kernel.run("input()", LONG_S)).error.startswith("StdinNotImplementedError")
            assert len((await kernel.run("print('x' * 1_000_000)", LONG_S)).shown) == MAX_PRINTED

    asyncio.run(run())


def test_a_cell_that_hangs_and_one_that_ends_its_kernel_leave_no_process(tmp_path):
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    async def run():
        async with Kernel(tmp_path) as hanging, Kernel(tmp_path) as ending:
            starts_one = "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)"
            assert (await hanging.run(starts_one, LONG_S)).end == "ok"
            assert (await hanging.run("while True: pass", 0.1)).end == "late"
            assert (await ending.run("import os; print('bye', flush=True); os._exit(3)", LONG_S)).end == "died"

    asyncio.run(run())
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
