"""Sends a scenario's traffic through the same path as requests over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence

from emulator.api.lambda_api import trace_header
from emulator.errors import InvokeError
from emulator.request import InvokeInput
from emulator.scenario import FunctionTarget, TrafficConfig
from emulator.service import LambdaService
from emulator.traffic import arrivals
from emulator.triggers.hub import Triggers


class Generator:
    """One task for each stream of traffic."""

    def __init__(self, service: LambdaService, triggers: Triggers, traffic: Sequence[TrafficConfig], seed: int) -> None:
        self._service = service
        self._triggers = triggers
        self._traffic = traffic
        self._seed = seed
        self._streams: list[asyncio.Task[None]] = []
        self._requests: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin every stream; their times count from now."""
        self._streams = [
            asyncio.create_task(self._run(config, self._seed + number), name=f"traffic-{number}")
            for number, config in enumerate(self._traffic)
        ]

    async def stop(self) -> None:
        """Send nothing more. What has been sent goes on."""
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)

    async def _run(self, config: TrafficConfig, seed: int) -> None:
        loop = asyncio.get_running_loop()
        keys = random.Random(f"{seed}/keys")
        start = loop.time() + config.start_s
        for at_s in arrivals(config.pattern, seed):
            if config.for_s is not None and at_s >= config.for_s:
                return
            await asyncio.sleep(max(0.0, start + at_s - loop.time()))
            if isinstance(config.target, FunctionTarget):
                self._request(config.target, json.dumps(config.payload).encode())
            else:
                key = f"key-{keys.randrange(config.target.keys)}"
                with contextlib.suppress(InvokeError):  # it is stopping
                    self._triggers.put(config.target.source, key, config.payload)

    def _request(self, target: FunctionTarget, payload: bytes) -> None:
        request = asyncio.create_task(self._send(target, payload))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)

    async def _send(self, target: FunctionTarget, payload: bytes) -> None:
        arn = self._service.deployments[target.function].arn
        asked = InvokeInput(target.function, payload, arn, trace_header())
        try:
            if target.invocation_type == "Event":
                self._triggers.invoke_event(asked)
            else:
                await self._service.invoke(asked)
        except InvokeError:
            pass  # counted as a throttle by the service, or it is stopping
