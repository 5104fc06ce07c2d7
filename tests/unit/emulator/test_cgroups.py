"""Control groups of both versions: where they are found, what is written into which file.

Sources: "Control Group v2" of the kernel's documentation, and cgroups(7). Version 2 is tried on a tree of plain files:
a machine has each controller in one version only, and those of these tests may have processor and memory in version 1.
"""

import errno
import os
from pathlib import Path

import pytest

from emulator.errors import IsolationError
from emulator.isolation.cgroups import CPU, MEMORY, ControlGroup, ControlGroups, Hierarchy, delegating, locate

VERSION_1 = (
    "4:memory:/box/one\n3:cpu,cpuacct:/box/one\n0::/box\n",
    """30 20 0:27 /box /sys/fs/cgroup/memory rw - cgroup none rw,memory
31 20 0:28 / /sys/fs/cgroup/cpu rw - cgroup none rw,cpu,cpuacct
""",
)


@pytest.mark.parametrize(
    ("controller", "own", "top"),
    [
        (MEMORY, "/sys/fs/cgroup/memory/one", "/sys/fs/cgroup/memory"),
        (CPU, "/sys/fs/cgroup/cpu/box/one", "/sys/fs/cgroup/cpu"),
    ],
)
def test_version_1_is_found_by_its_controller(controller, own, top):
    assert locate(controller, *VERSION_1) == (Path(own), Path(top), 1)


@pytest.fixture
def unified(tmp_path):
    """A hierarchy of version 2 with our process in user/session, as texts and files."""
    own = tmp_path / "user" / "session"
    own.mkdir(parents=True)
    for folder in (own, own.parent, tmp_path):
        (folder / "cgroup.controllers").write_text("cpu io memory\n", encoding="ascii")
        (folder / "cgroup.subtree_control").touch()
    return own, "0::/user/session\n", f"30 20 0:27 / {tmp_path} rw - cgroup2 none rw,nsdelegate\n"


def test_version_2_is_found_where_the_group_has_the_controller(unified, tmp_path):
    own, groups, mounts = unified

    assert locate(CPU, groups, mounts) == (own, tmp_path, 2)
    with pytest.raises(IsolationError, match="no hugetlb controller"):
        locate("hugetlb", groups, mounts)


def test_a_group_with_processes_is_passed_over_on_the_way_up(unified, tmp_path, monkeypatch):
    """Control Group v2, "No Internal Process Constraint": EBUSY for all but the root."""
    own = unified[0]
    write = Path.write_text

    def refuse_below_the_root(path, *arguments, **named):
        if path.name == "cgroup.subtree_control" and path.parent != tmp_path:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return write(path, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", refuse_below_the_root)

    assert delegating(own, tmp_path, MEMORY) == tmp_path
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    with pytest.raises(OSError, match="busy"):
        delegating(own, own.parent, MEMORY)


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (
            1,
            {
                "cpu": {"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "5789"},
                "memory": {"memory.limit_in_bytes": "536870912"},
            },
        ),
        (2, {"cpu": {"cpu.max": "5789 20000"}, "memory": {"memory.max": "536870912"}}),
    ],
)
@pytest.mark.parametrize("controller", [CPU, MEMORY])
def test_each_version_has_its_files(version, controller, files, tmp_path):
    """512 MB: 512 / 1769 of a processor in each 20 ms. Swap is limited where the machine counts it."""
    ControlGroup("one", 512, [Hierarchy(controller, tmp_path, version)])

    written = {path.name: path.read_text() for path in (tmp_path / "one").iterdir()}
    assert written == files[controller]


@pytest.mark.parametrize(("version", "file"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_kills_for_want_of_memory_are_counted(version, file, tmp_path):
    group = ControlGroup("one", 512, [Hierarchy(MEMORY, tmp_path, version)])
    (tmp_path / "one" / file).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", encoding="ascii")

    assert group.out_of_memory_kills() == 3


def test_both_controllers_of_version_2_are_one_group_with_one_door(tmp_path):
    groups = ControlGroups((Hierarchy(CPU, tmp_path, 2), Hierarchy(MEMORY, tmp_path, 2)))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cgroup.procs").touch()
    doors = groups.make("one", 128).open_doors()

    os.write(doors[0], b"0")
    os.close(doors[0])
    assert len(doors) == 1
    assert (tmp_path / "one" / "cgroup.procs").read_text() == "0"
