"""Starts Lambdascope's probe, and gives way to the sitecustomize that Python would have found without it."""

import sys

import lambdascope_probe

lambdascope_probe.install(__file__)
del sys.modules[__name__]
import sitecustomize  # noqa: E402, F401 - not this file: its folder is off the path now
