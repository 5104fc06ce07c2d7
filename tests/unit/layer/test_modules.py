"""Which modules of the graph go into the layer, and in what form."""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

import pytest

from deploy.layer.errors import ModulesError
from deploy.layer.interpreter import running_interpreter
from deploy.layer.modules import EXCLUDED, Module, compile_modules, hidden_imports, needed_imports, reachable


class SourceModule:
    def __init__(self, identifier: str, filename: str | None = None) -> None:
        self.identifier = identifier
        self.filename = filename or f"/src/{identifier}.py"


class Package(SourceModule): ...


class Extension(SourceModule): ...


class BuiltinModule(SourceModule): ...


class ExcludedModule(SourceModule): ...


class MissingModule(SourceModule): ...


class Graph:
    """A module graph as PyInstaller's, with these nodes and edges."""

    def __init__(self, edges: dict[str, list[SourceModule | None]]) -> None:
        self._edges = {**{name: [] for name in hidden_imports()}, **edges}
        self._nodes = {name: SourceModule(name, __file__) for name in self._edges}
        self._nodes.update({node.identifier: node for nodes in edges.values() for node in nodes if node})

    def find_node(self, name: str) -> SourceModule | None:
        return self._nodes.get(name)

    def outgoing(self, fromnode: str) -> list[SourceModule | None]:
        return self._edges.get(fromnode, [])


def names(graph: Graph) -> set[str]:
    return {module.name for module in reachable(graph)} - set(hidden_imports())


def test_takes_what_the_entry_point_reaches_and_nothing_else():
    graph = Graph({
        "extension.__main__": [SourceModule("a"), None],
        "a": [Extension("_native"), BuiltinModule("sys")],
        "unrelated": [SourceModule("b")],
    })  # fmt: skip
    assert names(graph) == {"a", "_native"}


def test_leaves_out_encodings_that_nobody_needs():
    graph = Graph({"encodings": [SourceModule("encodings.cp1252"), SourceModule("encodings.utf_8")]})
    found = {module.name for module in reachable(graph)}
    assert "encodings.cp1252" not in found
    assert "encodings.utf_8" in found


@pytest.mark.parametrize("kind", [ExcludedModule, MissingModule])
def test_refuses_that_a_module_of_ours_imports_what_is_left_out(kind, tmp_path):
    source = tmp_path / "app.py"
    source.write_text("def later():\n    import logging\n")
    own = SourceModule("extension.app", str(source))
    graph = Graph({"extension.__main__": [own], "extension.app": [kind("logging")]})
    with pytest.raises(ModulesError, match=r"extension\.app imports logging"):
        reachable(graph)


def test_what_only_a_type_checker_imports_may_be_left_out(tmp_path):
    source = tmp_path / "app.py"
    source.write_text("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Final\n")
    own = SourceModule("extension.app", str(source))
    assert names(Graph({"extension.__main__": [own], "extension.app": [ExcludedModule("typing")]})) == {"extension.app"}


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import a.b, c as d", {"a.b", "c"}),
        ("from a import b", {"a", "a.b"}),
        ("try:\n    import a\nexcept ImportError:\n    import b", {"b"}),
        ("try:\n    import a\nexcept ValueError:\n    pass", {"a"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import a\nelse:\n    import b", {"typing", "b"}),
        ("if x:\n    import a", {"a"}),
    ],
)
def test_finds_imports_wherever_they_stand(source, imported):
    assert needed_imports(source) == imported


def test_the_standard_library_may_do_without_what_is_left_out():
    assert names(Graph({"extension.__main__": [SourceModule("json")], "json": [ExcludedModule("argparse")]})) == {
        "json"
    }


def test_refuses_to_build_without_the_entry_point():
    graph = Graph({})
    graph._nodes.pop("extension.__main__")
    with pytest.raises(ModulesError, match=r"extension\.__main__ is not to be found"):
        reachable(graph)


def test_the_list_of_what_is_left_out_has_no_double():
    assert len(set(EXCLUDED)) == len(EXCLUDED)


@pytest.mark.parametrize(
    ("module", "path"),
    [
        (Module("a.b", Path("/x/b.py"), is_package=False, native=False), "a/b.pyc"),
        (Module("a", Path("/x/a/__init__.py"), is_package=True, native=False), "a/__init__.pyc"),
        (Module("_a", Path("/x/_a.cpython.so"), is_package=False, native=True), "lib-dynload/_a.cpython.so"),
    ],
)
def test_where_a_module_goes(module, path):
    assert module.path() == path


def test_compiled_modules_say_nothing_of_this_machine_and_need_no_source(tmp_path, monkeypatch):
    source = tmp_path / "secret-place" / "shown.py"
    source.parent.mkdir()
    source.write_text('"""Documentation."""\nassert False\nVALUE = 6 * 7\n')
    compile_modules(running_interpreter(), [Module("shown", source, is_package=False, native=False)], tmp_path / "out")
    data = (tmp_path / "out" / "shown.pyc").read_bytes()
    assert b"secret-place" not in data
    code = marshal.loads(data[16:])
    assert code.co_filename == "shown.py"
    source.unlink()
    monkeypatch.syspath_prepend(str(tmp_path / "out"))
    import shown  # type: ignore[import-not-found]

    assert (shown.VALUE, shown.__doc__) == (42, None)
    del sys.modules["shown"]


def test_a_module_that_does_not_compile_is_named(tmp_path):
    source = tmp_path / "broken.py"
    source.write_text("def")
    with pytest.raises(ModulesError, match=r"broken\.py"):
        compile_modules(running_interpreter(), [Module("broken", source, is_package=False, native=False)], tmp_path)
