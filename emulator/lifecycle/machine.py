"""What every kind of sandbox has in common: how it begins and how it ends.

Each method is an event; it takes the time and returns what is to be done, in order. Nothing here waits, sends or looks
at a clock. ``single`` adds one invocation at a time (on demand, provisioned), ``snapshot`` the restore of SnapStart,
``managed`` several invocations at once.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable

from emulator.lifecycle import actions as do
from emulator.lifecycle import messages
from emulator.lifecycle.actions import Action, Invocation
from emulator.lifecycle.extensions import Extension, Extensions
from emulator.lifecycle.init_run import AHEAD_INIT_LIMIT_NS, INIT_LIMIT_NS, STANDALONE, InitRun
from emulator.lifecycle.outbox import Outbox
from emulator.lifecycle.phases import IDLE, Phase, RuntimeState
from emulator.lifecycle.stopping import EXTERNAL_SHUTDOWN_RUNTIME_NS, Stopping
from emulator.telemetry import records
from emulator.telemetry.records import FunctionIdentity, ResponseTimes

FAILURE_REASON = "failure"
TIMEOUT_REASON = "timeout"
ON_DEMAND = "on-demand"


class Lifecycle(ABC):
    """One sandbox: its init, its shutdown, and what becomes of its processes."""

    runtime_share_ns = EXTERNAL_SHUTDOWN_RUNTIME_NS
    """How much of a shutdown's time the runtime may take."""

    def __init__(
        self,
        function: FunctionIdentity,
        timeout_ns: int,
        extensions: Extensions,
        used_memory_mb: Callable[[], int],
        new_span_id: Callable[[], str],
    ) -> None:
        self.phase = Phase.NEW
        self.extensions = extensions
        self._function = function
        self._timeout_ns = timeout_ns
        self._used_memory_mb = used_memory_mb
        self._new_span_id = new_span_id
        self._runtime = RuntimeState.NOT_STARTED
        self._init = InitRun(function, STANDALONE, 0)
        self._init_limit_ns = INIT_LIMIT_NS
        self._is_frozen = False
        self._stop: Stopping | None = None
        self._out = Outbox()

    @property
    def is_idle(self) -> bool:
        """Whether it can take an invocation."""
        return self.phase in IDLE

    # What each kind of sandbox does in its own way --------------------------------------------------------------------

    @abstractmethod
    def is_waiting_for(self, request_id: str) -> bool:
        """Whether the runtime has this invocation and has not yet answered it."""

    @abstractmethod
    def invoke(self, invocation: Invocation, now_ns: int) -> list[Action]:
        """Give an invocation to a sandbox that can take it."""

    @abstractmethod
    def runtime_answered(
        self, request_id: str, payload: bytes, response: ResponseTimes, *, error_type: str | None = None
    ) -> list[Action]:
        """The runtime has posted the response, or the error, of an invocation."""

    @abstractmethod
    def _initialised(self, now_ns: int) -> None:
        """The init has succeeded."""

    @abstractmethod
    def _fail_init(self, status: str, error_type: str, payload: bytes, now_ns: int) -> None:
        """The init has failed. The payload answers whoever waits."""

    @abstractmethod
    def _runtime_asked(self, now_ns: int) -> None:
        """After the init: the runtime has asked for the next invocation."""

    @abstractmethod
    def _extension_asked(self, now_ns: int) -> None:
        """After the init: an extension has asked for the next event."""

    @abstractmethod
    def _broke(self, error_type: str, message: str, now_ns: int) -> None:
        """After the init: something ended that should not have."""

    @abstractmethod
    def _timed_out(self, now_ns: int) -> None:
        """The timer has fired outside of a shutdown."""

    @abstractmethod
    def _abandon(self, now_ns: int) -> None:
        """The sandbox is told to shut down: fail what is under way."""

    @abstractmethod
    def _was_reset(self, now_ns: int) -> None:
        """A reset is over: no process is left."""

    @abstractmethod
    def _request_id(self) -> str | None:
        """The invocation that an error message is about, where there is one."""

    # Init -------------------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation | None, now_ns: int) -> list[Action]:
        """Begin the init of a new sandbox, which an invocation waits for or (None) nobody."""
        is_ahead = invocation is None and self._function.initialization_type != ON_DEMAND
        self._init_limit_ns = max(AHEAD_INIT_LIMIT_NS, self._timeout_ns) if is_ahead else INIT_LIMIT_NS
        self._begin_init(STANDALONE, now_ns, now_ns + self._init_limit_ns)
        return self._out.take()

    def _begin_init(self, phase: str, now_ns: int, limit_ns: int) -> None:
        self.phase = Phase.INIT
        self._runtime = RuntimeState.NOT_STARTED
        self._init = InitRun(self._function, phase, now_ns)
        self._init.begin(self._out)
        self._out.add(do.SetTimer(limit_ns))
        self._out.add(*(do.StartExtension(extension.name) for extension in self.extensions.external))
        self._start_runtime_when_registered()

    def extension_registered(self) -> list[Action]:
        """An extension has registered. The runtime starts when all external ones have."""
        if self.phase is Phase.INIT:
            self._start_runtime_when_registered()
        return self._out.take()

    def _start_runtime_when_registered(self) -> None:
        if self._runtime is RuntimeState.NOT_STARTED and self.extensions.all_external_registered:
            self._runtime = RuntimeState.RUNNING
            self._out.add(do.StartRuntime())

    def runtime_init_error(self, payload: bytes, error_type: str, now_ns: int) -> list[Action]:
        """The runtime has posted ``init/error``. Where this fails an invocation, the payload is its answer."""
        if self.phase is Phase.INIT:
            self._fail_init(records.ERROR, error_type, payload, now_ns)
        return self._out.take()

    def _finish_init_when_ready(self, now_ns: int) -> None:
        if self._runtime is RuntimeState.ASKING and self.extensions.all_asking:
            self._end_init(records.SUCCESS, None, now_ns)
            self._initialised(now_ns)

    def _end_init(self, status: str, error_type: str | None, now_ns: int) -> None:
        self.extensions.is_open = False
        self._out.add(do.CancelTimer())
        self._init.done(status, error_type, self.extensions, now_ns, self._out)

    # Who asks ---------------------------------------------------------------------------------------------------------

    def runtime_asks(self, now_ns: int) -> list[Action]:
        """The runtime has asked for the next invocation."""
        if self.phase is Phase.INIT and self._runtime is RuntimeState.RUNNING:
            self._runtime = RuntimeState.ASKING
            self._init.runtime_done(records.SUCCESS, None, now_ns, self._out)
            self._finish_init_when_ready(now_ns)
        elif self.phase is not Phase.INIT:
            self._runtime_asked(now_ns)
        return self._out.take()

    def extension_asks(self, extension: Extension, now_ns: int) -> list[Action]:
        """An extension has asked for the next event."""
        extension.is_asking = extension.has_asked = True
        if self.phase is Phase.INIT:
            self._finish_init_when_ready(now_ns)
        else:
            self._extension_asked(now_ns)
        return self._out.take()

    def _freeze(self) -> None:
        self._is_frozen = True
        self._out.add(do.Freeze())

    def _thaw(self) -> None:
        if self._is_frozen:
            self._is_frozen = False
            self._out.add(do.Thaw())

    # What goes wrong --------------------------------------------------------------------------------------------------

    def runtime_exited(self, status: int, now_ns: int, *, out_of_memory: bool = False) -> list[Action]:
        """The runtime process has ended, with an exit code or, negative, by a signal."""
        self._runtime = RuntimeState.EXITED
        if self.phase is Phase.STOP_RUNTIME:
            self._runtime_has_stopped(now_ns)
        else:
            error_type = "Runtime.OutOfMemory" if out_of_memory else "Runtime.ExitError"
            self._fail(error_type, messages.exit_message("Runtime exited", status), now_ns)
        return self._out.take()

    def extension_exited(self, name: str, status: int, now_ns: int) -> list[Action]:
        """An external extension's process has ended."""
        extension = self.extensions[name]
        if self.phase is Phase.RESET:
            return self._out.take()
        extension.is_alive = extension.is_asking = False
        if self.phase is Phase.STOP_EXTENSIONS:
            self._finish_stop_when_over(now_ns)
        elif self.phase is not Phase.STOP_RUNTIME:
            extension.error_type = extension.error_type or "Extension.Crash"
            self._fail("Extension.Crash", messages.exit_message(f"Extension {name} exited", status), now_ns)
        return self._out.take()

    def extension_failed(self, extension: Extension, error_type: str, told_type: str, now_ns: int) -> list[Action]:
        """An extension has posted ``init/error`` or ``exit/error``; it is going to exit. ``told_type`` is its own."""
        extension.error_type = told_type
        self._fail(error_type, f"Extension {extension.name} reported {told_type}", now_ns)
        return self._out.take()

    def start_failed(self, name: str | None, message: str, now_ns: int) -> list[Action]:
        """A program could not be executed: an extension's, or (None) the runtime's."""
        if name is None:
            self._runtime = RuntimeState.EXITED
            error_type = "Runtime.InvalidEntrypoint"
        else:
            self.extensions[name].is_alive = False
            error_type = self.extensions[name].error_type = "Extension.LaunchError"
        self._fail(error_type, message, now_ns)
        return self._out.take()

    def _fail(self, error_type: str, message: str, now_ns: int) -> None:
        if self.phase is Phase.INIT:
            payload = messages.error_payload(error_type, message, self._request_id())
            self._fail_init(records.ERROR, error_type, payload, now_ns)
        else:
            self._broke(error_type, message, now_ns)

    def timer_fired(self, now_ns: int) -> list[Action]:
        """The time that was set has come: a limit, or that of a part of the shutdown."""
        match self.phase:
            case Phase.STOP_RUNTIME:
                self._out.add(do.SignalRuntime(signal.SIGKILL))
                self._runtime_has_stopped(now_ns)
            case Phase.STOP_EXTENSIONS:
                self._finish_stop(now_ns)
            case _:
                self._timed_out(now_ns)
        return self._out.take()

    # Reset and shutdown -----------------------------------------------------------------------------------------------

    def shut_down(self, reason: str, now_ns: int) -> list[Action]:
        """End the sandbox in good order. An init, invocation or reset under way fails."""
        if self.phase is Phase.ENDED or (self._stop is not None and self._stop.is_final):
            return self._out.take()
        self._abandon(now_ns)
        if self._stop is not None:
            self._stop.is_final = True  # a reset under way becomes the end
            self._out.add(do.BeginShutdown(reason))
        else:
            self._begin_final_stop(reason, now_ns)
        return self._out.take()

    def _begin_final_stop(self, reason: str, now_ns: int) -> None:
        self._out.add(do.CancelTimer(), do.BeginShutdown(reason))
        self._begin_stop(reason, now_ns, is_final=True)

    def _begin_reset(self, reason: str, now_ns: int) -> None:
        self._out.add(do.CancelTimer(), do.BeginReset(reason))
        self._begin_stop(reason, now_ns, is_final=False)

    def _begin_stop(self, reason: str, now_ns: int, *, is_final: bool) -> None:
        self._stop = Stopping(self.extensions, reason, now_ns, self.runtime_share_ns, is_final=is_final)
        if self.phase is Phase.RESET:
            self._stop.has_time = False  # there is no process that could use it
        else:
            self._thaw()
        self.phase = Phase.STOP_RUNTIME
        if not self._stop.has_time:
            self._finish_stop(now_ns)
        elif self._runtime in (RuntimeState.NOT_STARTED, RuntimeState.EXITED):
            self._runtime_has_stopped(now_ns)
        else:
            self._stop.stop_runtime(self._out)

    def _runtime_has_stopped(self, now_ns: int) -> None:
        self.phase = Phase.STOP_EXTENSIONS
        if self._stop is not None:
            self._stop.stop_extensions(self._out)
        self._finish_stop_when_over(now_ns)

    def _finish_stop_when_over(self, now_ns: int) -> None:
        if self._stop is not None and self._stop.is_over:
            self._finish_stop(now_ns)

    def _finish_stop(self, now_ns: int) -> None:
        stop, self._stop = self._stop, None
        self._out.add(do.CancelTimer())
        if stop is not None and stop.has_time:
            self._out.add(stop.outcome(now_ns))
        if stop is None or stop.is_final:
            self.phase = Phase.ENDED
            self._out.add(do.End())
            return
        self._out.add(do.StopPrograms())
        self.extensions.restart()
        self._runtime = RuntimeState.NOT_STARTED
        self._was_reset(now_ns)
