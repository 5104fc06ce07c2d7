"""The whole path on one machine: the demo, the smoke run, and what the end-to-end tests start."""
