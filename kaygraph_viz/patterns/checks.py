"""The four checks of a customer record, in one place to import them from.

Belongs here: their names. Each check lives in a module of its own: ``security``, ``formats``, ``business`` and
``external``. Does not belong here: running them at the same time, which is the task of the validation pattern.

Each takes one record, a mapping from field to text, and returns a list of `Finding`, empty when the record passes.
Records may hold anything: wrong types and missing fields are reported by `check_format`, and no value makes a check
crash or take long.
"""

from __future__ import annotations

from kaygraph_viz.patterns.business import BusinessRules
from kaygraph_viz.patterns.external import AddressVerifier
from kaygraph_viz.patterns.finding import CHECKS, Finding
from kaygraph_viz.patterns.formats import check_format
from kaygraph_viz.patterns.security import check_security

__all__ = ["CHECKS", "AddressVerifier", "BusinessRules", "Finding", "check_format", "check_security"]
