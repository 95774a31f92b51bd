"""The encoding of OpenTelemetry's spans as JSON (OTLP): documents, ids, times and attributes.

Belongs here: what is written how. Does not belong here: what attributes mean (``otlp_conventions``), and what spans
become (``otlp_reader``).

A file is one document or has one in each line, as the file exporter of the collector writes it. Names of fields may be
those of JSON or of the protocol (``scopeSpans`` or ``scope_spans``), ids are hexadecimal or base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from kaygraph_viz.export.json_stream import JsonStream
from kaygraph_viz.export.reader import LARGEST_NS, integer_ns

__all__ = ["SIGNALS", "attributes_in", "field_of", "id_of", "objects_in", "otlp_events", "time_ns"]

TRACES = ("resourceSpans", "resource_spans", "batches")  # the last one is that of Tempo
SIGNALS = frozenset({*TRACES, "resourceMetrics", "resourceLogs"})  # a file may have these, too
SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")
MAX_LEVELS = 8  # of a value within others; deeper ones are cut anyway
WIDTHS = (8, 16)  # bytes of the id of a span and of a trace
HEX = re.compile(r"(?:[0-9a-fA-F]{16}){1,2}")
DIGITS = re.compile(r"[0-9]{1,19}")


def otlp_events(stream: JsonStream, fields: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield what is in documents, one after the other: ``{"resource": ...}``, ``{"scope": ...}`` and ``{"span"."""
    number = 0
    while True:
        for name in fields:
            for _ in _elements(stream, are_wanted=name in TRACES):
                number += 1
                for field in stream.fields():
                    if field == "resource":
                        yield {"resource": stream.value(), "of": number}
                    else:
                        for _ in _elements(stream, are_wanted=field in SCOPES):
                            for event in _of_scope(stream):
                                yield event | {"of": number}
        if not stream.peek():
            return
        fields = stream.fields()


def _of_scope(stream: JsonStream) -> Iterator[dict[str, Any]]:
    for name in stream.fields():
        if name in ("scope", "instrumentationLibrary"):
            yield {"scope": stream.value()}
        elif name == "spans":
            for span in stream.array():
                yield {"span": span}
        else:
            stream.skip()


def _elements(stream: JsonStream, *, are_wanted: bool) -> Iterator[None]:
    if are_wanted:
        yield from stream.elements()
    else:
        stream.skip()


# -- values ------------------------------------------------------------------------------------------------------------


@lru_cache(64)
def _in_protocol(name: str) -> str:
    return re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name)


def field_of(message: Mapping[str, Any], name: str) -> Any:
    """Return a field by its name in JSON or that in the protocol, or None."""
    value = message.get(name)
    return message.get(_in_protocol(name)) if value is None else value


def objects_in(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; nothing of what is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def id_of(value: object) -> str:
    """Return an id in hexadecimal digits; the empty text for none, which may be written as zeros."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!r} is not an id")  # noqa: TRY004  (of the file, not of ours)
    found = value.lower()
    if not HEX.fullmatch(value):
        try:
            decoded = base64.b64decode(value[:40], validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) not in WIDTHS or len(value) > 40:
            raise ValueError(f"{value[:40]!r} is not an id")
        found = decoded.hex()
    return found if found.strip("0") else ""


def time_ns(value: object) -> int:
    """Return a time, written as a number or, as usual, as a text with it [ns]."""
    if isinstance(value, str) and DIGITS.fullmatch(value) and int(value) < LARGEST_NS:
        return int(value)
    return integer_ns(value, 1)


def attributes_in(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span or event as plain values."""
    return _pairs(message.get("attributes"), 0)


def _pairs(pairs: object, level: int) -> dict[str, Any]:
    named = (each for each in objects_in(pairs) if isinstance(each.get("key"), str))
    return {each["key"]: _plain(each.get("value"), level) for each in named}


def _plain(value: object, level: int) -> Any:
    if not isinstance(value, dict) or level > MAX_LEVELS:
        return None
    inner = field_of(value, "arrayValue")
    if isinstance(inner, dict):
        return [_plain(each, level + 1) for each in objects_in(inner.get("values"))]
    inner = field_of(value, "kvlistValue")
    if isinstance(inner, dict):
        return _pairs(inner.get("values"), level + 1)
    whole = field_of(value, "intValue")
    if isinstance(whole, str) and DIGITS.fullmatch(whole.removeprefix("-")):  # 64 bits do not fit into numbers of JSON
        return int(whole)
    found = (field_of(value, name) for name in SCALARS)
    return next((each for each in found if isinstance(each, (str, int, float))), None)
