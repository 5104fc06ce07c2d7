"""With the wrapper and the probe a runtime behaves as without them: what it loads, reports, writes and returns.

The runtimes are AWS's own; what they post to the Runtime API is compared byte by byte, stack traces included.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from extension.marks import MarksReader, RuntimeMarks
from tests.support.depth import programs
from tests.support.runtime_api import Answer, Outcome, Script, event_head, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE_CLIENT = Path(__file__).resolve().parents[3] / "build" / "nodejs" / "index.mjs"
SITE = next(path for path in sys.path if path.endswith("site-packages"))
TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\[\d{13}\]")
EVENT = Answer((event_head("r", 2) + b"{}",))


@dataclass(frozen=True)
class Case:
    """Files of a function and its handler; whether the probe sees the loading begin and end, and whether it exits."""

    handler: str
    files: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    begins: bool = True
    ends: bool = True
    exits: bool = False


SEEN_BY_PYTHON = """
import os, sys, json
seen = {
    "path": sys.path, "environment": sorted(os.environ.items()), "file": __file__, "name": __name__,
    "modules": [name for name in sys.modules if not name.startswith("encodings")],
    "finders": [getattr(finder, "__name__", type(finder).__name__) for finder in sys.meta_path],
    "spec": repr(__spec__).partition(" object at ")[0], "package": __package__,
    "argv": sys.argv, "hooks": len(sys.path_hooks), "flags": str(sys.flags), "loader": type(__loader__).__name__,
}
def handler(event, context):
    import types
    return {"at load": seen, "later": [type(__spec__) is type(types.__spec__), vars(__spec__).get("_initializing"),
            sorted(os.environ.items()), len(sys.meta_path), sorted(sys.modules)]}
"""
SEEN_BY_NODE = """
const seen = { environment: Object.entries(process.env).sort(), argv: process.argv, execArgv: process.execArgv,
  cache: Object.keys(require.cache), file: __filename, children: module.children.length, parent: typeof module.parent,
  paths: module.paths, own: Object.keys(module), loaded: module.loaded, exists: String(require("fs").existsSync) };
exports.handler = async () => ({ seen, later: [module.loaded, Object.keys(require("module").prototype),
  Object.getOwnPropertyDescriptor(module, "loaded"), Object.getOwnPropertySymbols(Function.prototype).map(String)] });
exports.a = { b: exports.handler };
"""
SEEN_BY_MODULE = """
import fs from "node:fs";
const seen = { environment: Object.entries(process.env).sort(), argv: process.argv, execArgv: process.execArgv,
  url: import.meta.url, exists: String(fs.existsSync) };
export const handler = async () => ({ seen,
  later: Object.getOwnPropertySymbols(Function.prototype).map(String) });
"""
RAISES = "def f():\n    raise ValueError('at load')\n\nimport helper\n"
PYTHON = {
    "a module": Case("app.handler", {"app.py": SEEN_BY_PYTHON}),
    "below folders": Case("a/b.handler", {"a/b.py": SEEN_BY_PYTHON}),
    "below packages": Case("a.b.handler", {"a/__init__.py": "import json", "a/b.py": SEEN_BY_PYTHON}),
    "a package": Case("a.handler", {"a/__init__.py": SEEN_BY_PYTHON}),
    "imports that take long": Case(
        "app.handler",
        {"app.py": "import slow, json, sys\nsys.meta_path = sys.meta_path[-3:]\n" + SEEN_BY_PYTHON,
         "slow.py": "import time; time.sleep(0.02)"},
        {"LAMBDASCOPE_IMPORT_PROFILE": "1"},
    ),
    "a path of its own": Case(
        "app.handler", {"app.py": "import own\n" + SEEN_BY_PYTHON, "lib/own.py": ""}, {"PYTHONPATH": "lib:/nowhere"}
    ),
    "a sitecustomize of its own": Case(
        "app.handler", {"app.py": SEEN_BY_PYTHON, "lib/sitecustomize.py": "print('own', __file__, __name__)"},
        {"PYTHONPATH": "lib"},
    ),
    "a sitecustomize that fails": Case(
        "app.handler", {"app.py": SEEN_BY_PYTHON, "lib/sitecustomize.py": "import nothing_like_it"},
        {"PYTHONPATH": "lib"},
    ),
    "isolated": Case("app.handler", {"app.py": SEEN_BY_PYTHON}, options=("-I",), begins=False, ends=False),
    "without site": Case(
        "app.handler", {"app.py": "def handler(e, c): return 1"}, {"PYTHONPATH": SITE}, ("-S",),
        begins=False, ends=False,
    ),
    "without the environment": Case("app.handler", {"app.py": ""}, options=("-E",), begins=False, ends=False),
    "optimised": Case("app.handler", {"app.py": SEEN_BY_PYTHON}, options=("-O", "-B")),
    "no such module": Case("missing.handler", {}, ends=False),
    "no such module below a folder": Case("a/b.handler", {"a/c.py": ""}, ends=False),
    "no such import": Case("app.handler", {"app.py": "import json, nothing_like_it\n"}),
    "no such name in an import": Case("app.handler", {"app.py": "from json import nothing_like_it\n"}),
    "no handler": Case("app.handler", {"app.py": "x = 1\n"}),
    "no dot": Case("handler", {}, begins=False, ends=False),
    "a module of the interpreter": Case("sys.handler", {}, begins=False, ends=False),
    "wrong syntax": Case("app.handler", {"app.py": "def handler(:\n    pass\n"}),
    "wrong syntax in an import": Case("app.handler", {"app.py": "import other", "other.py": "x = = 1\n"}),
    "an error at load": Case("app.handler", {"app.py": RAISES, "helper.py": "import app\napp.f()\n"}),
    "an exit at load": Case("app.handler", {"app.py": "import sys\nsys.exit(4)\n"}, exits=True),
    "an error at the invocation": Case(
        "app.handler", {"app.py": "def f(x):\n    return 1 / x\n\ndef handler(event, context):\n    return f(0)\n"}
    ),
    "a module that takes itself away": Case(
        "app.handler", {"app.py": "import sys\ndel sys.modules[__name__]\ndef handler(e, c): return 1\n"}
    ),
    "a module that takes the finders away": Case(
        "app.handler", {"app.py": "import sys\nsys.meta_path.clear()\ndef handler(e, c): return 1\n"}
    ),
    "a circle": Case(
        "app.handler", {"app.py": "import b\ndef handler(e, c): return b.x\n", "b.py": "import app\nx = dir(app)\n"}
    ),
}  # fmt: skip
MODULE = '{"type": "module"}'
NODE = {
    "a script": Case("app.handler", {"app.js": SEEN_BY_NODE}),
    "a script by its ending": Case("app.handler", {"app.cjs": SEEN_BY_NODE}),
    "a folder": Case("app.handler", {"app/index.js": SEEN_BY_NODE}),
    "below folders": Case("a/b.handler", {"a/b.js": SEEN_BY_NODE}),
    "a handler in an object": Case("app.a.b", {"app.js": SEEN_BY_NODE}),
    "a module": Case("app.handler", {"app.mjs": SEEN_BY_MODULE}),
    "a module by its package": Case("app.handler", {"app.js": SEEN_BY_MODULE, "package.json": MODULE}),
    "a module that streams": Case(
        "app.handler",
        {"app.mjs": "export const handler = awslambda.streamifyResponse(async (e, s) => { s.write('x'); s.end(); })"},
    ),
    "a module that awaits": Case(
        "app.handler", {"app.mjs": "await new Promise((r) => setTimeout(r, 20));\n" + SEEN_BY_MODULE}
    ),
    "a module and what it imports, profiled": Case(
        "app.handler", {"app.mjs": "import './slow.mjs';\n" + SEEN_BY_MODULE,
                        "slow.mjs": "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);"},
        {"LAMBDASCOPE_IMPORT_PROFILE": "1"},
    ),
    "a script and what it requires, profiled": Case(
        "app.handler", {"app.js": "require('./b');\n" + SEEN_BY_NODE, "b.js": ""}, {"LAMBDASCOPE_IMPORT_PROFILE": "1"}
    ),
    "options of its own": Case(
        "app.handler", {"app.js": SEEN_BY_NODE, "own.js": "console.log('own', process.argv.length)"},
        {"NODE_OPTIONS": "--no-warnings --require ./own.js"},
    ),
    "no such module": Case("missing.handler", {}, ends=False),
    "no such requirement": Case("app.handler", {"app.js": "require('./nothing')"}, ends=False),
    "no such import": Case("app.handler", {"app.mjs": "import './nothing.mjs'"}, ends=False),
    "no such name in an import": Case(
        "app.handler", {"app.mjs": "import { x } from './b.mjs'", "b.mjs": "export const y = 1"}, ends=False
    ),
    "no handler": Case("app.handler", {"app.js": "exports.x = 1"}),
    "no handler in a module": Case("app.handler", {"app.mjs": "export const x = 1"}, ends=False),
    "no function": Case("app.handler", {"app.js": "exports.handler = 1"}),
    "wrong syntax": Case("app.handler", {"app.js": "exports.handler = = 1"}, ends=False),
    "wrong syntax in a module": Case("app.handler", {"app.mjs": "export const = 1"}, ends=False),
    "an error at load": Case("app.handler", {"app.js": "function f() { throw new RangeError('r') }\nf()"}, ends=False),
    "an error at a module's load": Case(
        "app.handler", {"app.mjs": "const f = () => { throw new RangeError('r') };\nf()"}, ends=False
    ),
    "an error after awaiting": Case(
        "app.handler", {"app.mjs": "await null;\nnull.x"}, ends=False
    ),
    "an error at the invocation": Case("app.handler", {"app.js": "exports.handler = async () => null.x"}),
    "an error at a module's invocation": Case("app.handler", {"app.mjs": "export const handler = async () => null.x"}),
    "a handler that returns nothing": Case("app.handler", {"app.mjs": "export const handler = () => {}"}),
    "an exit at load": Case("app.handler", {"app.js": "process.exit(4)"}, ends=False, exits=True),
    "a worker": Case("app.handler", {"app.js": SEEN_BY_NODE + "\nnew (require('worker_threads').Worker)('1', "
                                     "{ eval: true });"}),
    "a way up": Case("../app.handler", {}, begins=False, ends=False),
    "no dot": Case("handler", {}, begins=False, ends=False),
}  # fmt: skip


@contextmanager
def marks_of(api: str) -> Iterator[MarksReader]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as marks:
        marks.bind(f"\0lambdascope/marks/{api}")
        yield MarksReader(marks.fileno())


def both(command: list[str], case: Case, folder: Path, runtime: str) -> tuple[Outcome, Outcome, RuntimeMarks]:
    """With wrapper and probe, and without; and what they have marked."""
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    told = "{}:{}".format(*address)
    environment = {
        "PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(folder), "AWS_EXECUTION_ENV": runtime,
        "_HANDLER": case.handler, "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "PYTHONDONTWRITEBYTECODE": "1", **case.environment,
    }  # fmt: skip
    wrapper = str(programs() / "lambdascope" / "wrapper")
    with marks_of(told) as marks:
        probed = run([wrapper, *command], Script([EVENT, EVENT]), environment, folder, address, told)
        marks.read()
    plain = run(command, Script([EVENT, EVENT]), environment, folder, address, told)
    return probed, plain, marks.starts[-1]


def check(case: Case, probed: Outcome, plain: Outcome, marks: RuntimeMarks) -> None:
    assert case.exits or any(b"POST " in connection.data for connection in plain.connections)
    for with_probe, without in zip(probed.connections, plain.connections, strict=True):
        assert (with_probe.data.decode("utf-8", "replace"), with_probe.end) == (
            without.data.decode("utf-8", "replace"),
            without.end,
        )
    for name in ("stdout", "stderr"):
        written = [TIMES.sub(b"T", getattr(outcome, name)).decode() for outcome in (probed, plain)]
        assert written[0] == written[1]
    assert probed.returncode == plain.returncode
    assert (marks.load_ns is not None, marks.loaded_ns is not None) == (case.begins, case.ends)


@pytest.mark.parametrize("name", PYTHON)
def test_python(name, tmp_path):
    case = PYTHON[name]
    command = [sys.executable, *case.options, "-m", "awslambdaric", case.handler]
    check(case, *both(command, case, tmp_path, "AWS_Lambda_python3.13"))


@pytest.mark.skipif(not NODE_CLIENT.exists(), reason="npm's aws-lambda-ric is not installed: make nodejs")
@pytest.mark.parametrize("name", NODE)
def test_nodejs(name, tmp_path):
    case = NODE[name]
    command = ["node", "--expose-gc", "--max-http-header-size", "81920", *case.options, str(NODE_CLIENT)]
    check(case, *both(command, case, tmp_path, "AWS_Lambda_nodejs22.x"))
