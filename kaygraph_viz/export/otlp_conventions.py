"""What attributes of OpenTelemetry mean for calls of models, agents and tools: its own words (GenAI) and OpenInference.

Belongs here: names of attributes, also former ones. Does not belong here: how they are written (``otlp_json``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["facts_of", "is_remote_call", "is_span", "name_of"]

KINDS = (
    "openinference.span.kind", "gen_ai.operation.name", "traceloop.span.kind", "langsmith.span.kind",
    "llm.request.type",
)  # fmt: skip
# What a span does, by the words of all conventions; other words stay as they are.
OPERATIONS = {
    "chat": "llm", "text_completion": "llm", "completion": "llm", "generate_content": "llm",
    "embeddings": "embedding", "execute_tool": "tool", "invoke_agent": "agent", "create_agent": "agent",
    "workflow": "chain", "invoke_workflow": "chain", "retrieval": "retriever", "rerank": "reranker",
}  # fmt: skip
NAMED = {  # what an operation works with, and where its name stands
    "model": ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "llm.request.model",
              "embedding.model_name", "reranker.model_name"),
    "tool": ("gen_ai.tool.name", "tool.name"),
    "agent": ("gen_ai.agent.name", "agent.name", "agent_name"),
}  # fmt: skip
TOKENS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
                     "llm.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
                      "llm.usage.completion_tokens"),
}  # fmt: skip
TARGETS = {"llm": "model", "embedding": "model", "reranker": "model", "tool": "tool", "agent": "agent"}
REMOTE = frozenset({"llm", "embedding", "retriever", "reranker"})
NO_SPANS = frozenset({"pending_span", "log"})  # of Logfire: a span that has only begun, and an instant
LONGEST = 200  # characters of a word or a name


def facts_of(noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a span did, with which model, tool and agent, and how many tokens that took, as far as it says so."""
    found: dict[str, Any] = {name: _text_in(noted, places) for name, places in NAMED.items()}
    for name, places in TOKENS.items():
        counts = (noted.get(place) for place in places)
        numbers = (each for each in counts if isinstance(each, (int, float)) and not isinstance(each, bool))
        found[name] = next((int(each) for each in numbers if 0 <= each < 1 << 62), None)
    word = _text_in(noted, KINDS)
    implied = next((each for each in ("tool", "agent") if found[each]), "llm" if found["model"] else None)
    operation = OPERATIONS.get(word.lower(), word.lower()) if word else implied
    return {name: value for name, value in {"operation": operation, **found}.items() if value is not None}


def _text_in(noted: Mapping[str, Any], places: Iterable[str]) -> str | None:
    found = (noted.get(place) for place in places)
    return next((each[:LONGEST] for each in found if isinstance(each, str) and each), None)


def name_of(name: str, facts: Mapping[str, Any]) -> str:
    """Return a name of a span that says which model, tool or agent it was."""
    target = facts.get(TARGETS.get(facts.get("operation", ""), ""))
    return f"{name} {target}".strip() if target and target not in name else name


def is_remote_call(facts: Mapping[str, Any]) -> bool:
    """Return whether a span is one call of a model or a retriever, within which requests are only details."""
    return facts.get("operation") in REMOTE


def is_span(noted: Mapping[str, Any]) -> bool:
    """Return whether what was sent as a span is one, and not the notice of one that has begun, or of an instant."""
    return str(noted.get("logfire.span_type")) not in NO_SPANS
