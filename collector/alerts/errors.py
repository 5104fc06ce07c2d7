"""What can go wrong with alerts.

::

    CollectorError
    └── AlertError
        ├── RuleFileError      the file of rules cannot be used; the message names the rule and the key
        └── DeliveryError      a destination did not take a notification; never holds its URL
"""

from __future__ import annotations

from collector.errors import CollectorError


class AlertError(CollectorError):
    """Any failure of alerts."""


class RuleFileError(AlertError):
    """The file of rules cannot be used."""


class DeliveryError(AlertError):
    """A destination did not take a notification.

    Attributes:
        lasting: whether the same notification would be refused again, so that trying is of no use.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting
