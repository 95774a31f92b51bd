"""Rows: as JSON fields, kept for a while, with links and values made safe, and made in line by who stamps them."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, ValidationError

import kaygraph_viz as kv
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.graph.map_reduce import MapReduceNode
from kaygraph_viz.recording import record
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace import row as row_module
from kaygraph_viz.trace.columns import Relation, with_links
from kaygraph_viz.trace.recorder import Recorder, held_up, span
from kaygraph_viz.trace.row import (
    MAX_LEVELS,
    LateRows,
    Row,
    RowTuple,
    as_fields,
    as_row,
    describe_error,
    problem_with,
    row_of,
    safe_attributes,
    safe_value,
    traceback_text,
)
from kaygraph_viz.trace.span import KINDS, STATUSES, Span
from kaygraph_viz.trace.traced import traced


def nested(levels):
    inner = {}
    for _ in range(levels - 1):
        inner = {"a": [inner]} if levels % 2 else {"a": inner}
    return inner


def test_fields_of_a_span_are_without_problem_and_make_its_row():
    span = Span(2, 1, "a", "wait", "main", 0, 1, 2, 1, 1, "error", 2, 3, "ValueError", {"x": 1}, (1,))
    fields = as_fields(span) | {"links": [1]}
    assert problem_with(fields) is None
    row = (2, 1, 3, "a", "wait", "main", 0, 1, 2, 1, 1, "error", 2, "ValueError", {"x": 1}, (1,), None)
    assert as_row(fields) == row


def test_attributes_that_are_nested_too_deeply_to_be_written_again_are_refused():
    fields = as_fields(Span(1, None, "a", "branch", "main", 0, 1, 2))
    assert problem_with(fields | {"attributes": nested(MAX_LEVELS)}) is None
    assert "nested" in problem_with(fields | {"attributes": nested(MAX_LEVELS + 2)})


# -- late rows -----------------------------------------------------------------------------------------------------


def second_of(facts: tuple[Any, ...]) -> Any:
    return facts[1]


def test_rows_are_made_when_they_are_asked_for() -> None:
    rows: list[Any] = []
    late = LateRows(rows.append, pytest.fail)
    late.put((second_of, 1))
    late.put((second_of, 2))
    assert rows == []
    late.make_all()
    late.make_all()
    assert rows == [1, 2]


def test_no_more_than_the_most_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_module, "MOST_LATE", 3)
    rows: list[Any] = []
    late = LateRows(rows.append, pytest.fail)
    for number in range(5):
        late.put((second_of, number))
    assert rows == [0, 1]


def test_a_fault_is_told_and_the_others_are_made() -> None:
    rows: list[Any] = []
    told: list[BaseException] = []
    late = LateRows(rows.append, told.append)
    late.put((second_of,))
    late.put((second_of, 2))
    late.make_all()
    assert rows == [2]
    assert [type(error) for error in told] == [IndexError]


# -- relations -----------------------------------------------------------------------------------------------------


def two_phases():
    return make_trace(
        (bar("first", "main", 0, 1, kind="phase", span_id=10),
         [bar("a", "t-1", 0, 1, index=0, span_id=11), bar("a", "t-2", 0, 1, index=1, span_id=12)]),
        (bar("second", "main", 1, 2, kind="phase", span_id=20), [bar("b", "t-1", 1, 2, index=0, span_id=21)]),
    ).columns  # fmt: skip


def test_branches_are_linked_by_the_positions_of_their_items():
    linked = with_links(two_phases(), [Relation(20, 10, lambda index: [1, 0])])
    assert dict(linked.links) == {21: (12, 11)}


def test_what_did_not_happen_is_left_out():
    linked = with_links(two_phases(), [Relation(20, 10, lambda index: [7]), Relation(10, 99, lambda index: [0])])
    assert dict(linked.links) == {}


def test_links_that_were_there_stay():
    columns = with_links(two_phases(), [Relation(20, 10, lambda index: [0])])
    assert with_links(columns, [Relation(20, 10, lambda index: [1])]).links[21] == (11, 12)


def test_spans_say_which_branches_they_needed():
    with record(clock="virtual") as trace, get_executor("thread", 2) as executor:
        with span("load", kind="node") as load:
            list(executor.imap(str, range(2), name="load"))
        with span("join", kind="node") as join:
            join.link_branches(load, lambda index: range(2))
            list(executor.imap(str, range(1), name="join"))
    loaded = [s.span_id for s in trace.where(name="load", kind="branch")]
    assert [s.links for s in trace.where(name="join", kind="branch")] == [tuple(loaded)]


def test_without_a_recording_nobody_is_asked_for_links():
    asked = []
    with span("a") as a, span("b") as b:
        b.link_branches(a, asked.append)
    assert asked == []


def test_reduce_branches_are_linked_to_the_map_branches_that_fed_them():
    def first_letter(word):
        yield word[0], 1

    node = MapReduceNode(first_letter, lambda key, values: sum(values), partitions=2, max_workers=2)
    with record() as trace:
        node.run({"items": ["a", "b", "aa"]})
    mapped = {s.index: s.span_id for s in trace if s.kind == "branch" and s.name.startswith("map")}
    reduced = [s for s in trace if s.kind == "branch" and s.name.startswith("reduce")]
    assert sorted(link for s in reduced for link in s.links) == sorted(mapped.values())
    trace.validate()


# -- attributes ----------------------------------------------------------------------------------------------------


class Hostile:
    """Every way of being looked at is an error."""

    def _no(self, *args: Any) -> Any:
        raise AssertionError("was called back")

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __hash__ = __format__ = _no
    __eq__ = _no


SECRET = "hunter2"
SECRETS = [
    "password", "passwd", "db_password_old", "password2", "passphrase", "pwd", "userPass", "api_key", "apikey",
    "X-Api-Key", "access_key", "private-key", "SECRET", "client_secret", "auth_token", "Authorization",
    "authorisation", "Set-Cookie", "session_id", "credentials", "jwt", "bearer", "pw", "auth", "cookie", "session",
    "private_key", "accessKey", "XApiKey", "token", "tokens", "PGPASSWORD", "oauth_token", "csrftoken", "ssh-key",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_secret_looking_names_are_masked_at_any_depth(name):
    kept = safe_attributes({name: "hunter2", "headers": {name: "hunter2"}, "list": [{name: "hunter2"}]})
    assert "hunter2" not in json.dumps(kept)


HARMLESS = """
city passenger author authors key monkey keyboard tokenizer tokenize max_tokens
compass secretary sessions_count primary_key passed authentic cookies_method access_keyboard pwm
"""


@pytest.mark.parametrize("name", HARMLESS.split())
def test_other_names_are_kept(name):
    assert safe_attributes({name: 1}) == {name: 1}


@pytest.mark.parametrize(
    "value",
    [
        f"https://ada:{SECRET}@example.com/",
        f"postgresql+psycopg://ada:{SECRET}@db/orders",
        "https://example.com/a?token=hunter2&page=1",
        "https://example.com/a?api_key=hunter2",
        "https://bucket.example.com/a?X-Amz-Signature=hunter2&X-Amz-Credential=hunter2",
        "Authorization: Bearer hunter2",
        '{"user": "ada", "password": "hunter2"}',
        '"{\\"password\\": \\"hunter2\\"}"',
        "login --password=hunter2",
        ["Authorization", "hunter2"],
        [(b"authorization", b"hunter2")],
        {b"password": "hunter2"},
        {"a": {"b": {"passphrase": "hunter2"}}},
        b"password=hunter2",
        "x" * 190 + f" https://ada:{SECRET}@example.com/",
    ],
    ids=str,
)  # fmt: skip
def test_a_credential_within_a_value_is_masked(value):
    assert "hunter2" not in json.dumps(safe_attributes({"value": value, "deep": [{"value": value}]}))


def test_fields_of_objects_are_not_read():
    @dataclass
    class Login:
        password: str

    class Model(BaseModel):
        password: str

    kept = safe_attributes({"a": Login("hunter2"), "b": Model(password="hunter2")})
    assert kept == {"a": "<Login>", "b": "<Model>"}


def test_credentials_in_an_error_are_masked():
    class Model(BaseModel):
        password: int

    with pytest.raises(ValidationError) as caught:
        Model(password="hunter2")
    for error in (caught.value, ValueError(f"https://a:{SECRET}@b/"), KeyError("{'password': 'hunter2'}")):
        assert "hunter2" not in describe_error(error)


def test_credentials_in_the_name_of_a_span_are_masked():
    with record() as trace, span(f"GET https://ada:{SECRET}@example.com/?token=hunter2"):
        pass
    assert trace.spans[0].name == "GET https://***@example.com/?token=***"


def test_a_value_is_never_called_back():
    kept = safe_attributes({"a": Hostile(), "b": [Hostile()], "c": {"d": Hostile()}, "e": {7: 1}})
    assert kept == {"a": "<Hostile>", "b": ["<Hostile>"], "c": {"d": "<Hostile>"}, "e": {"<int>": 1}}


def test_a_subclass_of_a_builtin_is_not_looked_into():
    class Text(str):
        def __getitem__(self, key):
            raise AssertionError("was called back")

    assert safe_value(Text("a")) == "<Text>"


def test_huge_values_are_cut():
    kept = safe_attributes({"text": "x" * 10**6, "list": list(range(10**6)), "int": 10**5000, "k" * 10**6: 1})
    assert len(json.dumps(kept)) < 1000


def test_a_list_that_contains_itself_ends():
    endless: list[Any] = []
    endless.append(endless)
    assert json.dumps(safe_value(endless))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
        max_leaves=50,
    )
)
def test_whatever_is_kept_is_plain_and_short(value):
    assert len(json.dumps(safe_value(value))) < 2_000_000


@pytest.mark.parametrize("name", ["name", "kind", "self", "recorder"])
def test_an_attribute_may_be_called_anything(name):
    with record() as trace, span("a") as made:
        made.set(**{name: 1})
    assert trace.spans[0].attributes == {name: 1}


def test_an_error_whose_text_raises_is_described():
    class RudeError(Exception):
        def __str__(self):
            raise ValueError("no")

    assert describe_error(RudeError()) == "RudeError: <message could not be read>"


def test_an_error_that_hides_its_traceback_is_told_all_the_same():
    class SecretiveError(Exception):
        @property
        def __traceback__(self):
            raise ValueError("no")

    try:
        raise SecretiveError("cold tea")
    except SecretiveError as error:
        text = traceback_text(error)
    assert "test_an_error_that_hides_its_traceback" in text
    assert text.endswith("SecretiveError: cold tea\n")


def test_a_huge_error_text_is_cut():
    assert len(describe_error(ValueError("x" * 10**6))) == 500


def test_what_would_steer_a_terminal_or_cannot_be_sent_is_written_out_in_an_error():
    text = describe_error(ValueError("a\0b\u202ec\ud800\x1b[1m\nnext"))
    assert text == "ValueError: a\\x00b\\u202ec\\ud800\\x1b[1m\nnext"
    assert len(describe_error(ValueError("\0" * 500))) == 500


# -- rows that are made in line, where a call would cost too much ------------------------------------------------------


def test_a_plain_tuple_has_the_fields_of_a_row():
    """A type checker compares tuples that are made in line with `RowTuple`."""
    assert get_args(RowTuple) == tuple(get_type_hints(Row).values())


@traced
def three():
    yield from range(3)


def fails_once(tried):
    tried.append(1)
    if len(tried) == 1:
        raise ValueError("at first")


def every_maker():
    """Run what makes rows: spans, generators, waits, branches and attempts, calls of pools and tasks."""

    async def rest(_):
        with kv.span("inside", city="Oslo"):
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(asyncio.create_task(rest(None)) for _ in range(2)))

    with kv.span("node", kind="node") as node, kv.RateLimit(in_flight=1):
        list(three())
    with kv.get_executor("thread", 2) as executor, kv.span("after") as after:
        after.link(node)
        list(executor.imap(fails_once, [[], [1]], retry=kv.RetryPolicy(attempts=2)))
    with kv.get_executor("async", 2) as executor:
        list(executor.imap(rest, range(2)))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(len, []).result()
    with held_up("blocked", "limit"):
        kv.sleep(0.001)
    asyncio.run(main())


def test_each_row_that_is_made_is_one(monkeypatch):
    rows = []
    add = Recorder.add
    monkeypatch.setattr(Recorder, "add", lambda self, new: (rows.append(Row._make(new)), add(self, new))[1])
    with kv.record(capture=["futures", "asyncio"]) as trace:
        every_maker()
    trace.validate()
    assert {"node", "three", "after", "attempt 1", "inside", "len", "limit", "rest"} <= {made.name for made in rows}
    for made in rows:
        assert (made.kind in KINDS, made.status in STATUSES, type(made.lane)) == (True, True, str)
        assert 0 <= made.parent_id != made.span_id > 0
        assert 0 < made.submitted_ns <= made.started_ns <= made.ended_ns
        assert max(made.cpu_ns, made.blocked_ns) <= made.ended_ns - made.started_ns
        assert 1 <= made.attempt <= 2
        assert made.index in (-1, 0, 1)
        assert (made.error is not None) == (made.status == "error")
        assert made.attributes is None or isinstance(made.attributes, dict)
        assert not made.links or made.name == "after"
        assert made.parts is None or made.parts[-1][1] == made.ended_ns
    by_id = {made.span_id: made for made in rows}
    assert [row_of(span) for span in trace] == [
        by_id[span.span_id]._replace(links=span.links, attributes=span.attributes, parts=span.noted_parts)
        for span in trace
    ]
