"""Does what its event asks for: prints lines that nobody else prints, works for a while, and may not survive that."""

import os
import signal
import time
from pathlib import Path


def handle(event, context):
    for line in range(event["lines"]):
        print(f"chaos {context.aws_request_id} {line}")
    time.sleep(event["work_ms"] / 1000)
    end = event["end"]
    if end == "exit":
        os._exit(3)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "grow":
        held = [b"x" * (1 << 20) for _ in range(4096)]
        return len(held)
    if end == "raise":
        raise ValueError("as asked")
    if end == "tidy":  # what many functions do at the start of each invocation
        for path in Path("/tmp").iterdir():
            if path.is_file():
                path.unlink()
    return "done"
