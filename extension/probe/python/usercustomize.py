"""As sitecustomize, for where another layer's sitecustomize stands in front of ours."""

import sys

import lambdascope_probe

lambdascope_probe.install(__file__)
del sys.modules[__name__]
import usercustomize  # noqa: E402, F401 - not this file: its folder is off the path now
