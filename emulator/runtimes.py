"""How each runtime is started. A further one is a class here and its name in :data:`RUNTIMES`."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from emulator.errors import StartupError

EXEC_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
NODEJS_CLIENT: Final = Path(__file__).resolve().parents[1] / "build" / "nodejs"
"""Where ``make nodejs`` puts the Node.js runtime client."""


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

    def folders(self) -> tuple[str, ...]:
        """What of the machine a sandbox must see to start it."""


class PythonRuntime:
    """The interpreter that runs the emulator, with the ``awslambdaric`` installed beside it."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """The runtime client on the handler, behind the wrapper script where one is set."""
        del task_root
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        folders = [f"{layer_root}/python", f"{layer_root}/python/lib/{version}/site-packages"]
        own = environment.get("PYTHONPATH")
        path = os.pathsep.join(([own] if own else []) + folders)
        return Command(_wrapped([sys.executable, "-m", "awslambdaric", handler], environment), {"PYTHONPATH": path})

    def execution_environment(self) -> str | None:
        """Such as ``AWS_Lambda_python3.11``."""
        return f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}"

    def folders(self) -> tuple[str, ...]:
        """The interpreter and its packages."""
        return interpreter_folders()


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """The ``node`` of this machine, with npm's ``aws-lambda-ric``."""

    node: Path
    major: int
    client: Path
    """The folder with ``index.mjs`` and the client."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """As Lambda's own bootstrap does it, the wrapper script and NODE_PATH included. The handler is in _HANDLER."""
        del handler
        argv = [str(self.node), "--expose-gc", "--max-http-header-size", "81920", str(self.client / "index.mjs")]
        paths = [f"{layer_root}/nodejs/node{self.major}/node_modules", f"{layer_root}/nodejs/node_modules"]
        own = environment.get("NODE_PATH")
        path = os.pathsep.join(([own] if own else []) + [*paths, f"{task_root}/node_modules"])
        return Command(_wrapped(argv, environment), {"NODE_PATH": path})

    def execution_environment(self) -> str | None:
        """Such as ``AWS_Lambda_nodejs20.x``."""
        return f"AWS_Lambda_nodejs{self.major}.x"

    def folders(self) -> tuple[str, ...]:
        """The client, and what node itself was installed into where that is no folder of the system's."""
        prefix = str(self.node.parent.parent)
        return (str(self.client),) if prefix in {"/usr", "/"} else (str(self.client), prefix)


class ProvidedRuntime:
    """``bootstrap``, an executable file of the function or of a layer. OS-only runtimes have no wrapper scripts."""

    def command(self, handler: str, environment: Mapping[str, str], task_root: str, layer_root: str) -> Command:
        """The function's own bootstrap; where it has none, that of the layers is tried by the emulator."""
        del handler, environment, layer_root
        return Command([f"{task_root}/bootstrap"], {})

    def folders(self) -> tuple[str, ...]:
        """None: a bootstrap brings what it needs, or takes the machine's."""
        return ()

    def execution_environment(self) -> str | None:
        """Not set in OS-only runtimes."""
        return None


_PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_NODEJS: Final = ("nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x")
_PROVIDED: Final = ("provided.al2023", "provided.al2")


def runtime_names() -> tuple[str, ...]:
    """The names that a scenario may use, the default first."""
    return ("python", _PYTHON, "nodejs", *_NODEJS, *_PROVIDED)


def find_runtime(name: str) -> tuple[str, Runtime]:
    """The runtime's full name and how to start it. ``python`` and ``nodejs`` mean what is at hand.

    Raises StartupError that says how to get it where it isn't there.
    """
    if name in {"python", _PYTHON}:
        return _PYTHON, PythonRuntime()
    if name in _PROVIDED:
        return name, ProvidedRuntime()
    runtime = _find_nodejs()
    full = f"nodejs{runtime.major}.x"
    if name not in {"nodejs", full}:
        raise StartupError(f"runtime {name}: the node of this machine is {full}; nodejs takes any")
    return full, runtime


def _find_nodejs() -> NodeRuntime:
    if not (NODEJS_CLIENT / ".installed").exists():
        raise StartupError(f"runtime nodejs: its client is not in {NODEJS_CLIENT}; `make nodejs` builds it")
    found = shutil.which("node")
    if found is None:
        raise StartupError("runtime nodejs: there is no node on the PATH")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    match = re.match(r"v(\d+)\.", told)
    if match is None:
        raise StartupError(f"runtime nodejs: {found} --version says {told.strip()!r}")
    return NodeRuntime(Path(found).resolve(), int(match[1]), NODEJS_CLIENT)


def _wrapped(argv: list[str], environment: Mapping[str, str]) -> list[str]:
    """Behind the function's wrapper script, where it names one."""
    wrapper = environment.get(EXEC_WRAPPER)
    return [wrapper, *argv] if wrapper else argv


def runtime_version(name: str) -> str:
    """As in ``platform.initStart``: the emulator's runtimes have the version number 0."""
    family = re.sub(r"^(python|nodejs|provided)\.?", r"\1:", name).removesuffix(".x")
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
    return _outermost(folders)


def visible_folders(runtime: Runtime) -> tuple[str, ...]:
    """What must stay visible in a sandbox: what its runtime needs, and the interpreter, for extensions in Python."""
    return _outermost({*interpreter_folders(), *runtime.folders()})


def _outermost(folders: set[str]) -> tuple[str, ...]:
    return tuple(sorted(one for one in folders if not any(one.startswith(other + "/") for other in folders)))
