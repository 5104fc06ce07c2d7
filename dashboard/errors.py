"""What can go wrong, as one tree.

::

    DashboardError
    ├── ConfigError           an environment variable has no usable value
    └── QueryError            a query gave no result
        ├── UnreachableError      nobody answers at the SQL endpoint, or not in time
        ├── AccessDeniedError     it answers and refuses the credentials
        ├── SchemaMissingError    it answers and has not the tables of Lambdascope
        └── QueryRejectedError    it answers that the statement is wrong or not allowed, or has no rows to show

Each message is one sentence for the person at the screen: what is wrong, and what to do. None holds a password.
"""

from __future__ import annotations


class DashboardError(Exception):
    """Any failure that the dashboard shows instead of a panel."""


class ConfigError(DashboardError):
    """An environment variable has no usable value."""


class QueryError(DashboardError):
    """A query gave no result."""


class UnreachableError(QueryError):
    """Nobody answers at the SQL endpoint, or not in time."""


class AccessDeniedError(QueryError):
    """The SQL endpoint refuses the credentials."""


class SchemaMissingError(QueryError):
    """The SQL endpoint has not the tables of Lambdascope."""


class QueryRejectedError(QueryError):
    """The SQL endpoint says that the statement is wrong or not allowed, or answers with no rows that can be shown."""
