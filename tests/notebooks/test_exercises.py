"""Exercises: each answer in the tables gets the grade that stands beside it, in a kernel of its lesson."""

from __future__ import annotations

import asyncio

import pytest

from tests.notebooks.answers import answered
from tests.notebooks.cases import CASES

KERNELS_AT_ONCE = 2


@pytest.fixture(scope="module")
def answers(request, tmp_path_factory):
    """What the answers that are asked for get, or the error of the notebook, by notebook."""
    wanted = {}
    for item in request.session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if "case" in params and item.path == request.path:
            wanted.setdefault(params["path"], []).append(params["case"])
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in wanted}
    return asyncio.run(all_answered(wanted, folders))


async def all_answered(wanted, folders):
    free = asyncio.Semaphore(KERNELS_AT_ONCE)

    async def answered_in_turn(path):
        async with free:
            return await answered(path, wanted[path], folders[path])

    found = await asyncio.gather(*map(answered_in_turn, wanted), return_exceptions=True)
    return dict(zip(wanted, found, strict=True))


@pytest.mark.parametrize(
    ("path", "case"), CASES, ids=[f"{path.stem}-{case.exercise}-{case.kind}-{case.name}" for path, case in CASES]
)
def test_an_answer_gets_its_grade(path, case, answers):
    if isinstance(answers[path], BaseException):
        raise answers[path]
    got = answers[path][case]
    assert (got.sentence, case.says in got.shown) == (f"{case.grade} goals met", True), got.shown
