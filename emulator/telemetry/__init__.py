"""The Telemetry API: what is recorded, how it is buffered, how it is delivered."""
