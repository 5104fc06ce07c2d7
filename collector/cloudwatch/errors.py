"""Exceptions beside those of :mod:`collector.errors`.

::

    collector.errors.RequestError
    └── AccessKeyError     401: Firehose's access key is missing or not one of ours

    ValueError
    └── PointError         one point, or the record that holds it, is not what its format says; never leaves the package
"""

from __future__ import annotations

from collector.errors import RequestError


class AccessKeyError(RequestError):
    """The request does not show that it may be made. The message never contains a key."""


class PointError(ValueError):
    """A point that cannot be stored. The message names the field."""
