"""Findings: what the checks of a record report.

Belongs here: the `Finding` that all checks return. Does not belong here: any rule; each check has a module of its own
(``security``, ``formats``, ``business_rules``, ``external``).
"""

from __future__ import annotations

from dataclasses import dataclass

from kaygraph_viz.texts import one_line

__all__ = ["CHECKS", "Finding"]

CHECKS = ("security", "format", "business", "external")


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of one field of a record.

    Parameters
    ----------
    check
        The check that found it, one of `CHECKS`.
    field
        The field it is about.
    code
        The short fixed name of the fault, for counting and comparing.
    message
        The fault in one sentence; it never repeats the value, which may be hostile.

    Examples
    --------
    >>> print(Finding("format", "email", "email_invalid", "there is no @-sign"))
    format: email: there is no @-sign
    """

    check: str
    field: str
    code: str
    message: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return one_line(f"{self.check}: {self.field}: {self.message}", 1_000)
