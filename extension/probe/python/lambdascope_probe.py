"""Marks when the runtime begins to load the handler's module, and when that has ended.

Runs inside the function's own interpreter, Python 3.9 and later: it imports nothing that is not there already, leaves
nothing behind, and no frame of it is in a traceback. So the end is not seen by a wrapped loader, which would be called
in between, but where the import system itself notes that a module is no longer being initialised.
"""

import os
import sys
import time

_PATH, _MARKS, _PROFILE = "PYTHONPATH", "LAMBDASCOPE_MARKS", "LAMBDASCOPE_IMPORT_PROFILE"
_THRESHOLD_MS = "LAMBDASCOPE_IMPORT_PROFILE_MS"
_DEFAULT_THRESHOLD_MS = 5.0
_MOST_IMPORTS = 100
_Spec = type(sys.__spec__)


def install(file):
    """Begin to watch, and take the folder of `file` off the module search path. Never raises."""
    folder = os.path.dirname(file)
    try:
        sys.path.remove(folder)
        sys.path_importer_cache.pop(folder, None)
        handler, marks = os.environ.get("_HANDLER", ""), os.environ.get(_MARKS, "")
        if "." in handler and marks.isdigit():
            sys.meta_path.insert(0, _Probe(handler, int(marks), folder, _threshold_ns()))
    except Exception:
        pass
    sys.modules.pop(__name__, None)


def _threshold_ns():
    """From how long on an import is told of; None for none."""
    if os.environ.get(_PROFILE, "").lower() not in {"1", "on", "true"}:
        return None
    try:
        return int(float(os.environ.get(_THRESHOLD_MS) or _DEFAULT_THRESHOLD_MS) * 1e6)
    except ValueError:
        return int(_DEFAULT_THRESHOLD_MS * 1e6)


class _Probe:
    """A finder that finds nothing on its own: it notes what is looked for."""

    def __init__(self, handler, marks, folder, threshold_ns):
        self._module = handler.rpartition(".")[0].replace("/", ".")
        self._outermost = self._module.partition(".")[0]
        self._marks, self._folder, self._threshold_ns = marks, folder, threshold_ns
        self._begin_ns = 0
        self._imports = []

    def find_spec(self, name, path=None, target=None):
        """What the other finders find, watched where its end is of interest."""
        if not self._begin_ns:
            if name not in (self._outermost, self._module):
                return None
            self._begin_ns = time.time_ns()
            self._say(f"load {self._begin_ns}")
            self._restore_environment()
        if self._threshold_ns is None and name != self._module:
            return None
        try:
            return self._watched(name, path, target)
        except Exception:
            return None  # the finder that raised is asked again, by the import system itself

    def _watched(self, name, path, target):
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if type(spec) is _Spec:
                    spec.__dict__["_lambdascope"] = (self, time.time_ns())
                    spec.__class__ = _WatchedSpec
                if name == self._module and self._threshold_ns is None:
                    sys.meta_path.remove(self)  # the spec is enough from here on
                return spec
        return None

    def ended(self, name, begin_ns):
        """A module is initialised, or has failed to be."""
        now_ns = time.time_ns()
        if self._threshold_ns is not None and now_ns - begin_ns >= self._threshold_ns and name != self._module:
            self._imports.append((begin_ns, now_ns, name))
        if name == self._module:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            longest = sorted(self._imports, key=lambda one: one[0] - one[1])[:_MOST_IMPORTS]
            lines = [f"loaded {self._begin_ns} {now_ns}"]
            self._say("\n".join(lines + [f"{begin} {end} {module}" for begin, end, module in sorted(longest)]))
            os.close(self._marks)

    def _say(self, mark):
        try:
            os.write(self._marks, mark.encode())
        except OSError:
            pass  # nobody listens, or their queue is full: there will be no split

    def _restore_environment(self):
        """What the function starts shall have no probe."""
        os.environ.pop(_MARKS, None)
        path = os.environ.get(_PATH, "")
        if path == self._folder:
            del os.environ[_PATH]
        elif path.startswith(self._folder + os.pathsep):
            os.environ[_PATH] = path[len(self._folder) + 1 :]
        os.set_inheritable(self._marks, False)


class _WatchedSpec(_Spec):
    """A spec that tells when the import system is done with its module, and is an ordinary one from then on."""

    @property
    def _initializing(self):
        return self.__dict__.get("_initializing", False)

    @_initializing.setter
    def _initializing(self, value):
        self.__dict__["_initializing"] = value
        if not value:
            probe, begin_ns = self.__dict__.pop("_lambdascope", (None, 0))
            self.__class__ = _Spec
            try:
                probe.ended(self.name, begin_ns)
            except Exception:
                pass


_WatchedSpec.__name__ = _WatchedSpec.__qualname__ = "ModuleSpec"
