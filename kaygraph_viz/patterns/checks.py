"""The four checks of a customer record, by name, and the service that one of them asks.

Belongs here: their names, and running them beside a service of this machine. Each check has a module of its own:
``security``, ``formats``, ``business_rules`` and ``external``. Does not belong here: running them in parallel
(``validation``).

Each takes one record, a mapping from field to text, and returns a list of `Finding`, empty when the record passes.
Records may hold anything: `check_format` reports wrong types and missing fields, and no value makes a check crash or
take long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.clock import cost
from kaygraph_viz.patterns.business_rules import BusinessRules
from kaygraph_viz.patterns.external import AddressVerifier
from kaygraph_viz.patterns.findings import CHECKS, Finding
from kaygraph_viz.patterns.formats import check_format
from kaygraph_viz.patterns.records import Record
from kaygraph_viz.patterns.security import check_security
from kaygraph_viz.services.datasets import REFERENCE_DATE
from kaygraph_viz.services.server import serve
from kaygraph_viz.services.settings import ServiceSettings

__all__ = [
    "CHECKS",
    "COSTS_S",
    "AddressVerifier",
    "BusinessRules",
    "Finding",
    "check_format",
    "check_security",
    "local_checks",
]

COSTS_S = {"security": 25e-6, "format": 60e-6, "business": 30e-6, "external": 1e-3}  # CPU of a check, as measured
Check = Callable[[Record], list[Finding]]


@contextmanager
def local_checks(
    records: Sequence[Record], settings: ServiceSettings | None = None, *, timeout_s: float = 2.0
) -> Iterator[dict[str, Check]]:
    """Start the verification service on this machine and yield the four checks of a record by name.

    Inside ``record(clock="virtual")`` the service runs in simulated time, and each check costs what `COSTS_S` says.

    Parameters
    ----------
    records
        All records; a record is compared with them to find duplicates.
    settings
        The latency and the faults of the service; default: those of `ServiceSettings`.
    timeout_s
        The time limit of an answer of the service [s].

    Yields
    ------
    dict
        ``security``, ``format``, ``business`` and ``external``, of which the last one works only inside the block.

    Examples
    --------
    >>> with local_checks([]) as checks:
    ...     list(checks)
    ['security', 'format', 'business', 'external']
    """
    rules = BusinessRules.from_records(records, today=REFERENCE_DATE)
    with serve(settings) as server, AddressVerifier(server.base_url, timeout_s=timeout_s) as verifier:
        checks: dict[str, Check] = {
            "security": check_security,
            "format": check_format,
            "business": rules.check,
            "external": verifier.check,
        }
        yield {name: partial(_at_cost, check, COSTS_S[name]) for name, check in checks.items()}


def _at_cost(check: Check, cpu_s: float, record: Record) -> list[Finding]:
    """Run a check and declare its CPU time, which simulated time cannot measure."""
    cost(cpu_s)
    return check(record)
