"""The phases of an execution environment: the values of the span attribute ``lambda.phase``.

A span's name is its phase, but for ``invoke``, whose span is named after the function as the conventions ask.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

INIT: Final = "init"
"""``platform.initStart`` to ``platform.initReport``: the whole of it."""
EXTENSION_INIT: Final = "extension_init"
"""From ``platform.initStart`` until the runtime process starts, which is when every extension has registered."""
RUNTIME_INIT: Final = "runtime_init"
"""From the start of the runtime process until it begins to load the handler. Needs the probe."""
FUNCTION_INIT: Final = "function_init"
"""Loading of the handler: the customer's own code. Needs the probe."""
RUNTIME_AND_FUNCTION_INIT: Final = "runtime_and_function_init"
"""The two above where nothing tells them apart: from the start of the runtime process to ``initRuntimeDone``."""
RESTORE: Final = "restore"
"""SnapStart: ``platform.restoreStart`` to ``platform.restoreReport``."""
INVOKE: Final = "invoke"
"""``platform.start`` to ``platform.runtimeDone``."""
RESPONSE_LATENCY: Final = "response_latency"
"""From the start of the invocation to the first byte of its answer."""
RESPONSE_DURATION: Final = "response_duration"
"""From the first to the last byte of the answer."""
RUNTIME_OVERHEAD: Final = "runtime_overhead"
"""From the answer's last byte until the runtime asks for the next event."""
POST_RUNTIME: Final = "post_runtime"
"""``platform.runtimeDone`` to ``platform.report``: extensions that are still at work. Carries the report's figures."""
SHUTDOWN: Final = "shutdown"
"""From the SHUTDOWN event until the extension is done."""

ALL: Final = (
    EXTENSION_INIT,
    RUNTIME_INIT,
    FUNCTION_INIT,
    RUNTIME_AND_FUNCTION_INIT,
    INIT,
    RESTORE,
    INVOKE,
    RESPONSE_LATENCY,
    RESPONSE_DURATION,
    RUNTIME_OVERHEAD,
    POST_RUNTIME,
    SHUTDOWN,
)
"""Every phase, in the order in which a sandbox passes through them."""
