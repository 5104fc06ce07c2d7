"""Takes the extension's place in a layer: writes down what the launcher gave it, and waits, or ends as it is told."""

import os
import stat
import sys
import time


def main() -> int:
    """Write the report; LAMBDASCOPE_TEST_EXIT is the code to end with.

    Where LAMBDASCOPE_TEST_STARTS is a file, it gets a line for each start, and the first of them does not take over.
    """
    if "LAMBDASCOPE_TEST_STARTS" in os.environ and _is_first(os.environ["LAMBDASCOPE_TEST_STARTS"]):
        return 9
    file = os.environ["LAMBDASCOPE_TEST_REPORT"]
    report = {
        "environ": dict(os.environ),
        "argv": sys.argv,
        "path": sys.path,
        "prefix": sys.prefix,
        "isolated": sys.flags.isolated,
        "utf8": sys.flags.utf8_mode,
        "modules": [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)],
        "held": _held(os.environ["LAMBDASCOPE_HANDOFF"]),
        "sockets": [fd for fd in range(100) if _is_socket(fd)],
    }
    with open(file + ".partial", "w") as out:  # noqa: PTH123 -- the layer has no pathlib
        out.write(repr(report))
    _take_over(os.environ["LAMBDASCOPE_HANDOFF"])
    os.rename(file + ".partial", file)  # noqa: PTH104 -- likewise
    if "LAMBDASCOPE_TEST_EXIT" in os.environ:
        return int(os.environ["LAMBDASCOPE_TEST_EXIT"])
    while True:
        time.sleep(60)


def _is_first(file: str) -> bool:
    with open(file, "a") as starts:  # noqa: PTH123 -- the layer has no pathlib
        starts.write("start\n")
        return starts.tell() == len("start\n")


def _take_over(handoff: str) -> None:
    pipe = int(_fields(handoff)["taken_over"])
    os.write(pipe, b"1")
    os.close(pipe)


def _fields(handoff: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in handoff.split(" "))


def _held(handoff):
    fields = _fields(handoff)
    return os.pread(int(fields["held"]), 1 << 24, 0) if "held" in fields else None


def _is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
