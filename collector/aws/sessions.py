"""Clients of AWS's services, one set per account and region. The only module that imports boto3."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from collector.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.aws.config import AccountConfig, AwsConfig

log = logging.getLogger(__name__)

_ROLE_SESSION: Final = "lambdascope-poller"
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"})
"""Codes after which new credentials may help: those in hand are of no more use."""


class Client(Protocol):
    """What is used of a boto3 client."""

    def get_paginator(self, operation_name: str) -> Any:
        """A reader of pages."""


class Place:
    """An account in a region: clients that are made when they are needed, and made anew when credentials have expired.

    Attributes:
        region: its name.
        calls: requests made so far, pages included, repeats by boto3 not.
    """

    def __init__(self, account: AccountConfig, region: str, endpoint_url: str, calls_per_s: float) -> None:
        self._account = account
        self.region = region
        self._endpoint_url = endpoint_url or None
        self._calls_per_s = calls_per_s
        self._next_call_s = 0.0
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}
        self._account_id = ""
        self.calls = 0

    @property
    def account_id(self) -> str:
        """Its number, asked for once.

        Raises:
            AwsError: AWS does not tell.
        """
        if not self._account_id:
            self._account_id = str(self.call("sts", "get_caller_identity")["Account"])
        return self._account_id

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """One request; throttling is waited out by boto3 first.

        Raises:
            AwsError: it failed in the end.
        """
        try:
            return self._call(service, operation, parameters)
        except AwsError as error:
            if error.code not in EXPIRED:
                raise
        self._renew()
        return self._call(service, operation, parameters)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The items of all pages, under ``key`` of each. Raises AwsError as :meth:`call` does."""
        token_in, token_out = _TOKENS[operation]
        while True:
            page = self.call(service, operation, **parameters)
            yield from page.get(key, [])
            token = page.get(token_out)
            if not token:
                return
            parameters[token_in] = token

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if service == "lambda":
            self._take_turn()
        self.calls += 1
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            raise AwsError(f"{service} {operation}: {error}", code) from None
        except BotoCoreError as error:
            raise AwsError(f"{service} {operation}: {error}") from None
        return answer

    def _take_turn(self) -> None:
        """Lambda's control plane has one small quota for everybody in the account."""
        wait_s = self._next_call_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        self._next_call_s = max(self._next_call_s, time.monotonic()) + 1 / self._calls_per_s

    def _renew(self) -> None:
        log.warning("aws: the credentials for %s have expired; new ones are asked for", self.region)
        self._session, self._clients = None, {}

    def _client(self, service: str) -> Any:
        client = self._clients.get(service)
        if client is None:
            self._session = self._session or self._open()
            client = self._session.client(
                service,
                region_name=self.region,
                endpoint_url=self._endpoint_url,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60
                ),
            )
            self._clients[service] = client
        return client

    def _open(self) -> boto3.Session:
        if not self._account.role_arn:
            return boto3.Session()
        own = get_session()
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda name, **more: boto3.client(
                name, **{**more, "region_name": self.region, "endpoint_url": self._endpoint_url}
            ),
            source_credentials=own.get_credentials(),
            role_arn=self._account.role_arn,
            extra_args={
                "RoleSessionName": _ROLE_SESSION,
                **({"ExternalId": self._account.external_id} if self._account.external_id else {}),
            },
        )
        assumed = get_session()
        assumed._credentials = DeferredRefreshableCredentials(  # noqa: SLF001  # botocore has no other way in
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return boto3.Session(botocore_session=assumed)


_TOKENS: Final = {
    "list_metrics": ("NextToken", "NextToken"),
    "get_metric_data": ("NextToken", "NextToken"),
    "list_functions": ("Marker", "NextMarker"),
    "list_aliases": ("Marker", "NextMarker"),
    "list_versions_by_function": ("Marker", "NextMarker"),
    "list_provisioned_concurrency_configs": ("Marker", "NextMarker"),
    "list_event_source_mappings": ("Marker", "NextMarker"),
}
"""Names of the token in the request and in the answer of each operation that is read page by page."""


def places(config: AwsConfig) -> list[Place]:
    """Every account in every region of it."""
    return [
        Place(account, region, config.endpoint_url, config.inventory.calls_per_s)
        for account in config.accounts
        for region in account.regions
    ]
