"""What can go wrong in the delivery of metrics.

::

    emulator.errors.EmulatorError
    └── DeliveryError           a delivery was given up
        ├── RejectedError       the endpoint said 413: Firehose drops the batch for good
        └── RetriesOverError    no good answer within the retry duration
"""

from __future__ import annotations

from emulator.errors import EmulatorError


class DeliveryError(EmulatorError):
    """A delivery was given up. The message has its request id and the last answer."""


class RejectedError(DeliveryError):
    """The endpoint called the delivery too large; it will not be sent again."""


class RetriesOverError(DeliveryError):
    """The endpoint gave no good answer until the retry duration was over."""
