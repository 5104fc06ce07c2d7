"""How each runtime is started. A further one is a class here and its name in :data:`RUNTIMES`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

EXEC_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, and what its environment has beside Lambda's own."""

    argv: list[str]
    environment: Mapping[str, str]


class Runtime(Protocol):
    """One of Lambda's runtimes."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """What to execute in the function's folder. The environment is the function's; the roots as it sees them."""

    def execution_environment(self) -> str | None:
        """AWS_EXECUTION_ENV."""


class PythonRuntime:
    """The interpreter that runs the emulator, with the ``awslambdaric`` installed beside it."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """The runtime client on the handler, behind the wrapper script where one is set."""
        del task_root
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folders = [f"{layer_root}/python", f"{layer_root}/python/lib/{version}/site-packages"]
        own = environment.get("PYTHONPATH")
        path = os.pathsep.join(([own] if own else []) + folders)
        argv = [sys.executable, "-m", "awslambdaric", handler]
        if wrapper := environment.get(EXEC_WRAPPER):
            argv.insert(0, wrapper)
        return Command(argv, {"PYTHONPATH": path})

    def execution_environment(self) -> str | None:
        """Such as ``AWS_Lambda_python3.11``."""
        return f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}"


class ProvidedRuntime:
    """``bootstrap``, an executable file of the function or of a layer. OS-only runtimes have no wrapper scripts."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """The function's own bootstrap; where it has none, that of the layers is tried by the emulator."""
        del handler, environment, layer_root
        return Command([f"{task_root}/bootstrap"], {})

    def execution_environment(self) -> str | None:
        """Not set in OS-only runtimes."""
        return None


_PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
RUNTIMES: Final[Mapping[str, Runtime]] = {
    _PYTHON: PythonRuntime(),
    "provided.al2023": ProvidedRuntime(),
    "provided.al2": ProvidedRuntime(),
}


def runtime_names() -> tuple[str, ...]:
    """The names that a scenario may use, the default first."""
    return ("python", *RUNTIMES)


def find_runtime(name: str) -> tuple[str, Runtime]:
    """The runtime's full name and how to start it. ``python`` means the interpreter at hand."""
    full = _PYTHON if name == "python" else name
    return full, RUNTIMES[full]


def runtime_version(name: str) -> str:
    """As in ``platform.initStart``: the emulator's runtimes have the version number 0."""
    family = name.replace("python", "python:").replace("provided.", "provided:")
    return f"{family}.v0"


def runtime_version_arn(name: str, region: str) -> str:
    """An ARN of the documented form, the same for the same runtime."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(name.encode()).hexdigest()}"


def interpreter_folders() -> tuple[str, ...]:
    """What must stay visible in a sandbox for the Python runtime to start: the interpreter and its packages."""
    folders = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    client = importlib.util.find_spec("awslambdaric")
    if client is not None and client.origin is not None:
        folders.add(str(Path(client.origin).resolve().parent.parent))
    outermost = [one for one in folders if not any(one != other and one.startswith(other + "/") for other in folders)]
    return tuple(sorted(outermost))
