"""The four checks of a customer record, in one place to import them from, and with the service that one of them asks.

Belongs here: their names, and running them beside a service of this machine. Each check lives in a module of its own:
``security``, ``formats``, ``business`` and ``external``. Does not belong here: making them at once, which is the
task of the validation pattern.

Each takes one record, a mapping from field to text, and returns a list of `Finding`, empty when the record passes.
Records may hold anything: wrong types and missing fields are reported by `check_format`, and no value makes a check
crash or take long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from kaygraph_viz.clock import cost
from kaygraph_viz.patterns.business import BusinessRules
from kaygraph_viz.patterns.external import AddressVerifier
from kaygraph_viz.patterns.findings import CHECKS, Finding
from kaygraph_viz.patterns.formats import check_format
from kaygraph_viz.patterns.security import check_security
from kaygraph_viz.services.datasets import REFERENCE_DATE
from kaygraph_viz.services.server import serve
from kaygraph_viz.services.settings import ServiceSettings

__all__ = [
    "CHECKS", "COSTS_S", "AddressVerifier", "BusinessRules", "Finding", "check_format", "check_security",
    "local_checks",
]  # fmt: skip

COSTS_S = {"security": 25e-6, "format": 60e-6, "business": 30e-6, "external": 1e-3}  # CPU of a check, as measured
Record = Mapping[str, str]
Check = Callable[[Record], list[Finding]]


@contextmanager
def local_checks(
    records: Sequence[Record], settings: ServiceSettings | None = None, *, timeout_s: float = 2.0
) -> Iterator[dict[str, Check]]:
    """Start the verification service on this machine and give the four checks of a record by name.

    Inside ``record(clock="virtual")`` the service runs in simulated time, and each check costs what `COSTS_S` says.

    Parameters
    ----------
    records
        All records; duplicates are looked for among them.
    settings
        How slow and how unreliable the service is; None takes the defaults.
    timeout_s
        How long to wait for an answer of the service [s].

    Yields
    ------
    dict
        ``security``, ``format``, ``business`` and ``external``; the last one works until the block ends.

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
    """Make a check whose CPU time is known in simulated time, too."""
    cost(cpu_s)
    return check(record)
