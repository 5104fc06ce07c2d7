"""Sends a scenario's traffic through the same path as requests over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from emulator.api.lambda_api import trace_header
from emulator.errors import InvokeError
from emulator.scenario import TrafficConfig
from emulator.service import InvokeInput, LambdaService
from emulator.traffic import arrivals


class Generator:
    """One task for each stream of traffic."""

    def __init__(self, service: LambdaService, traffic: Sequence[TrafficConfig], seed: int) -> None:
        self._service = service
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
        start = loop.time() + config.start_s
        for at_s in arrivals(config.pattern, seed):
            if config.for_s is not None and at_s >= config.for_s:
                return
            await asyncio.sleep(max(0.0, start + at_s - loop.time()))
            request = asyncio.create_task(self._send(config))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _send(self, config: TrafficConfig) -> None:
        arn = self._service.deployments[config.function].arn
        asked = InvokeInput(config.function, config.payload, arn, trace_header())
        try:
            if config.invocation_type == "Event":
                self._service.invoke_event(asked)
            else:
                await self._service.invoke(asked)
        except InvokeError:
            pass  # counted as a throttle by the service, or it is stopping
