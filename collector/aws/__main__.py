"""``python -m collector.aws``: the poller as a process of its own, beside a ClickHouse server or a stopped collector.

In the collector the same runs as one of its jobs.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from collector import config as collector_config
from collector.aws import config as aws_config
from collector.aws.job import AwsJob
from collector.errors import CollectorError
from collector.store.clickhouse import ClickHouseStore
from collector.store.client import connect


def main(arguments: list[str]) -> int:
    """Poll until stopped; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m collector.aws", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="YAML file of accounts and regions")
    parser.add_argument("--store", help="as the collector's setting of that name")
    parser.add_argument("--data", help="as the collector's setting of that name")
    parser.add_argument("--once", action="store_true", help="one poll of everything, then end")
    parsed = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="poller: %(message)s")
    try:
        settings = collector_config.from_environ(os.environ, {"store": parsed.store, "data": parsed.data})
        _poll(aws_config.load(parsed.config), settings, once=parsed.once)
    except CollectorError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def _poll(config: aws_config.AwsConfig, settings: collector_config.CollectorConfig, *, once: bool) -> None:
    store = ClickHouseStore(settings.store)
    store.open()
    client = connect(settings.store)
    job = AwsJob(config, client, store, _say)
    try:
        while True:
            due_s = job.run(int(time.time()))
            if once:
                return
            time.sleep(max(1.0, due_s - time.time()))
    finally:
        client.close()
        store.close()


def _say(text: str) -> None:
    sys.stderr.write(f"poller: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
