"""The extensions of one sandbox, and the rules of their registration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from emulator import wire
from emulator.errors import SandboxApiError

INVOKE: Final = "INVOKE"
SHUTDOWN: Final = "SHUTDOWN"
_EVENTS: Final = frozenset({INVOKE, SHUTDOWN})


@dataclass(slots=True)
class Extension:
    """One extension. An external one has a process of its own, an internal one lives in the runtime's."""

    name: str
    is_external: bool
    identifier: str | None = None
    """Drawn when it registers."""
    events: tuple[str, ...] = ()
    is_alive: bool = True
    is_asking: bool = False
    """Whether it has asked for the next event and not yet been given one."""
    has_asked: bool = False
    """Whether it has ever asked for an event: its own init is over then."""
    error_type: str | None = None
    """What it posted to ``init/error`` or ``exit/error``."""

    @property
    def is_registered(self) -> bool:
        """Whether it has an identifier."""
        return self.identifier is not None

    def wants(self, event: str) -> bool:
        """Whether it is alive and has registered for the event."""
        return self.is_alive and event in self.events


@dataclass(slots=True)
class Extensions:
    """All extensions of a sandbox."""

    external_names: tuple[str, ...]
    new_identifier: Callable[[], str]
    is_managed: bool = False
    """On Managed Instances, where nobody is told of an INVOKE."""
    is_open: bool = True
    """Whether further ones may register: until the init is over."""
    _by_name: dict[str, Extension] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all registrations: the external ones are started again, internal ones come anew with the runtime."""
        self.is_open = True
        self._by_name = {name: Extension(name, is_external=True) for name in self.external_names}

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> Extension:
        return self._by_name[name]

    @property
    def external(self) -> list[Extension]:
        """Those with processes of their own."""
        return [extension for extension in self if extension.is_external]

    @property
    def all_external_registered(self) -> bool:
        """Whether the runtime may start."""
        return all(extension.is_registered for extension in self.external)

    @property
    def all_asking(self) -> bool:
        """Whether every registered extension waits for an event."""
        return all(extension.is_asking for extension in self if extension.is_registered and extension.is_alive)

    def register(self, name: str, events: list[str]) -> Extension:
        """Register by the documented rules. Raises SandboxApiError with the documented error type."""
        if not name:
            raise SandboxApiError(403, "Extension.InvalidExtensionName", "Empty extension name")
        extension = self._by_name.get(name)
        is_external = extension is not None and extension.is_external
        self._check_events(events, is_external=is_external)
        if extension is not None and extension.is_registered:
            message = (
                f"State transition is not allowed for extension {name}: already registered"
                if is_external
                else "Extension with this name already registered"
            )
            raise SandboxApiError(403, "Extension.InvalidExtensionState", message)
        if extension is None:
            extension = self._add_internal(name)
        extension.identifier = self.new_identifier()
        extension.events = tuple(dict.fromkeys(events))
        return extension

    def _check_events(self, events: list[str], *, is_external: bool) -> None:
        if self.is_managed and events and not is_external:
            raise SandboxApiError(403, "Extension.InvalidEventType", "No events allowed for internal extensions")
        for event in events:
            if event not in _EVENTS:
                raise SandboxApiError(403, "Extension.InvalidEventType", f"{event}: ErrorInvalidEventType")
            if event == SHUTDOWN and not is_external:
                raise SandboxApiError(
                    403, "Extension.InvalidEventType", f"{event}: ShutdownEventNotSupportedForInternalExtension"
                )
            if event == INVOKE and self.is_managed:
                raise SandboxApiError(
                    403, "Extension.InvalidEventType", f"{event}: InvokeEventNotSupportedOnManagedInstances"
                )

    def _add_internal(self, name: str) -> Extension:
        if not self.is_open:
            raise SandboxApiError(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if len(self._by_name) >= wire.MAX_EXTENSIONS:
            raise SandboxApiError(
                403, "Extension.TooManyExtensions", f"Extension limit ({wire.MAX_EXTENSIONS}) reached"
            )
        self._by_name[name] = Extension(name, is_external=False)
        return self._by_name[name]

    def identified(self, identifier: str | None) -> Extension:
        """The extension that a request names in its header. Raises SandboxApiError."""
        if not identifier:
            raise SandboxApiError(403, "Extension.MissingExtensionIdentifier", f"Missing {wire.EXTENSION_ID} header")
        if not _is_uuid(identifier):
            raise SandboxApiError(403, "Extension.InvalidExtensionIdentifier", f"Invalid {wire.EXTENSION_ID}")
        for extension in self:
            if extension.identifier == identifier:
                return extension
        raise SandboxApiError(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")


def _is_uuid(text: str) -> bool:
    digits = text.replace("-", "")
    return len(digits) == 32 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
