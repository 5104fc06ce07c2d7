"""Enters a root file system and becomes a program there: run in a mount namespace of its own, with a JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys

AARCH64 = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
)
"""The first bytes of a program for arm64, as binfmt_misc wants them (the mask leaves the kind of ELF file out)."""
FORMATS = "/proc/sys/fs/binfmt_misc"


def main() -> None:
    """Mount, limit, enter, and become the program."""
    wanted = json.loads(sys.argv[1])
    root = wanted["root"]

    def mount(*arguments: str) -> None:
        subprocess.run([wanted["mount"], *arguments], check=True)

    mount("--bind", root, root)
    mount("--bind", wanted["layer"], f"{root}/opt")
    mount("-o", "remount,bind,ro", f"{root}/opt")
    mount("-t", "tmpfs", "-o", "size=4096,mode=1777", "tmpfs", f"{root}/tmp")
    with open(f"{root}/tmp/full", "wb") as full:  # noqa: PTH123 -- as everything here, without the project's modules
        full.write(bytes(4096))
    if wanted["proc"]:
        mount("-t", "proc", "proc", f"{root}/proc")
    if wanted.get("interpreter"):
        mount("-t", "proc", "proc", "/proc")
        mount("-t", "binfmt_misc", "binfmt_misc", FORMATS)
        with open(f"{FORMATS}/register", "w") as formats:  # noqa: PTH123 -- likewise
            formats.write(f"{AARCH64}{wanted['interpreter']}:F")
    mount("-o", "remount,bind,ro", root)
    if wanted.get("memory_group"):
        with open(f"{wanted['memory_group']}/cgroup.procs", "w") as processes:  # noqa: PTH123 -- likewise
            processes.write("0")
    os.chroot(root)
    os.chdir("/")
    if wanted.get("user"):
        os.setgroups([])
        os.setgid(wanted["user"])
        os.setuid(wanted["user"])
    os.execv(wanted["entry"], [wanted["entry"]])


if __name__ == "__main__":
    main()
