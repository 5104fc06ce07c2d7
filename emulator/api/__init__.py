"""The HTTP APIs: to callers of functions, and to the processes inside a sandbox."""
