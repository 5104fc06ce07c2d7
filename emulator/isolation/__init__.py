"""Processes of a sandbox: how they are started, frozen, seen and ended, and what they can see.

``zygote`` is a small process of its own, forked from once per sandbox. Its child becomes the sandbox's ``holder``:
process 1 of the sandbox's PID namespace where there is one. ``client`` is the emulator's end of both.

``zygote``, ``holder``, ``root`` and ``linux`` run in those processes and import the standard library only.
"""
