"""Lambda's scaling, simulated: admission, limits and sandbox reuse. Pure; docs/fleet.md describes the rules.

::

    model = Model(Limits(account_concurrency=1000), [FunctionLimits("orders", reserved_concurrency=50)], new_id)
    decision = model.ask("orders", now_ns)      # Admitted(sandbox, cold, …) or Throttled(cause, reason)
    model.finished(decision.sandbox, later_ns)
    for retired in model.reap(much_later_ns):   # shut these down
        ...
"""

from emulator.model.decision import Admitted, Cause, Decision, Reason, Throttled
from emulator.model.errors import LimitError, ModelError, SandboxStateError, UnknownFunctionError
from emulator.model.limits import FunctionLimits, Limits
from emulator.model.model import Model, Retired, Usage
from emulator.model.sandbox import InitType, Sandbox, SandboxState

__all__ = [
    "Admitted",
    "Cause",
    "Decision",
    "FunctionLimits",
    "InitType",
    "LimitError",
    "Limits",
    "Model",
    "ModelError",
    "Reason",
    "Retired",
    "Sandbox",
    "SandboxState",
    "SandboxStateError",
    "Throttled",
    "UnknownFunctionError",
    "Usage",
]
