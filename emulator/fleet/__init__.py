"""Fleet mode: the telemetry of hundreds of functions over days, without processes. ``python -m emulator.fleet``.

The way of the data: ``config`` (a description, checked) → ``profiles`` and ``incidents`` → ``simulation`` (facts, from
the same model that admits the emulator's real requests) → ``streams`` (OTLP and Firehose bodies) → ``sender``.
docs/fleet.md describes it.
"""
