"""Ends its own process while it answers, the way a segmentation fault or the kernel does."""

import os
import signal


def handle(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
