"""The meaning of attributes."""

from __future__ import annotations

import pytest

from kaygraph_viz.export.otlp_conventions import facts_of, is_remote_call, is_span, name_of


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
         {"operation": "agent", "agent": "planner"}),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
         {"operation": "tool", "tool": "search"}),
        ({"gen_ai.usage.prompt_tokens": 3, "gen_ai.usage.completion_tokens": 4, "gen_ai.response.model": "m-1"},
         {"operation": "llm", "model": "m-1", "input_tokens": 3, "output_tokens": 4}),
        ({"openinference.span.kind": "LLM", "llm.model_name": "m-1", "llm.token_count.prompt": 3.0,
          "llm.token_count.completion": 4},
         {"operation": "llm", "model": "m-1", "input_tokens": 3, "output_tokens": 4}),
        ({"openinference.span.kind": "RETRIEVER"}, {"operation": "retriever"}),
        ({"traceloop.span.kind": "workflow"}, {"operation": "chain"}),
        ({"gen_ai.operation.name": "something_new"}, {"operation": "something_new"}),
        ({"gen_ai.operation.name": 3, "llm.model_name": "", "llm.token_count.prompt": "many"}, {}),
    ],
)  # fmt: skip
def test_facts_by_the_words_of_each_convention(noted, expected):
    assert facts_of(noted) == expected


def test_an_inner_request_of_a_model_is_a_detail_but_not_of_an_agent():
    assert [is_remote_call({"operation": each}) for each in ("llm", "retriever", "agent", "tool")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not is_remote_call({})


def test_a_name_says_what_it_worked_with_once():
    assert name_of("agent run", {"operation": "agent", "agent": "planner", "model": "m-1"}) == "agent run planner"
    assert name_of("execute_tool search", {"operation": "tool", "tool": "search"}) == "execute_tool search"
    assert name_of("GET", {}) == "GET"
    assert name_of("", {"operation": "llm", "model": "m-1"}) == "m-1"


def test_notices_and_instants_are_no_spans():
    assert is_span({"logfire.span_type": "span"})
    assert not is_span({"logfire.span_type": "log"})
