"""A local AWS Lambda: Runtime, Extensions and Telemetry APIs, sandboxes of real processes, traffic.

Start it with ``python -m emulator --scenario FILE``; docs/emulator.md describes it.
"""
