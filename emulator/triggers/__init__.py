"""Event sources and asynchronous invocation in front of real sandboxes.

The rules are :mod:`emulator.sources`, which fleet mode runs on too; here are the clock, the invocations and what is
delivered where. ``config`` is what a scenario says, ``hub`` what the rest of the emulator talks to.
"""
