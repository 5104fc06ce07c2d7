"""Headers that are not to stand in the environment: out of a file, or a secret of AWS. Loaded only where there are any.

A secret is asked for through the AWS Parameters and Secrets Lambda extension, which caches it and holds the permission:
"Use Secrets Manager secrets in AWS Lambda functions" and "Using Parameter Store parameters in AWS Lambda functions".
"""

from __future__ import annotations

from time import monotonic

from extension.errors import CredentialsUnavailable, HttpError
from extension.headers_file import read_headers
from extension.http_client import Connection, connect, request_bytes
from extension.json_reader import loads
from extension.setting_kinds import SECRETS_MANAGER, parse_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from extension.diagnostics import Diagnostics
    from extension.settings import ExportSettings, SecretSettings

    Headers = tuple[tuple[str, str], ...]

_HOST = "127.0.0.1"
_TIMEOUT_S = 3.0
_TOKEN_HEADER = "X-Aws-Parameters-Secrets-Token"  # noqa: S105 - a header's name
_ASK_AGAIN_AFTER_S = 30.0
"""For a secret: the extension of AWS keeps the old one for longer than that."""
_READ_AGAIN_AFTER_S = 1.0
"""A file."""
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Credentials:
    """More headers for one channel. For the exporter's thread.

    Attributes:
        known_wrong: whether they were refused, read again, and still the same.
    """

    __slots__ = ("_diagnostics", "_headers", "_read_at", "_settings", "known_wrong")

    def __init__(self, settings: ExportSettings, diagnostics: Diagnostics) -> None:
        self._settings = settings
        self._diagnostics = diagnostics
        self._headers: Headers | None = None
        self._read_at = 0.0
        self.known_wrong = False

    def added_to(self, headers: Headers) -> Headers:
        """`headers` with ours, which take the place of those of the same name.

        Raises:
            CredentialsUnavailable: there is a secret, and it is not to be had now. To send without it would lose data.
        """
        if self._headers is None:
            self._headers = self._read()
        names = {name.lower() for name, _ in self._headers}
        return (*(header for header in headers if header[0].lower() not in names), *self._headers)

    def renewable_in_s(self) -> float:
        """In how many seconds they may be read again; 0 for now."""
        after_s = _ASK_AGAIN_AFTER_S if self._settings.secret is not None else _READ_AGAIN_AFTER_S
        return max(0.0, self._read_at + after_s - monotonic())

    def renewed(self) -> bool:
        """Read them again, since they were refused; whether they are others now.

        Raises:
            CredentialsUnavailable: as above.
        """
        before, self._headers = self._headers, self._read()
        self.known_wrong = self._headers == before
        return not self.known_wrong

    def _read(self) -> Headers:
        self._read_at = monotonic()
        settings = self._settings
        headers = read_headers(settings.headers_file, self._diagnostics) if settings.headers_file else ()
        if settings.secret is None:
            return headers
        try:
            secret = _headers_of(_ask(settings.secret))
        except (HttpError, ValueError) as error:
            what = f"LAMBDASCOPE_HEADERS_SECRET: {settings.secret.name}: {error}"
            raise CredentialsUnavailable(what) from error
        names = {name.lower() for name, _ in secret}
        return (*(header for header in headers if header[0].lower() not in names), *secret)


def _ask(secret: SecretSettings) -> str:
    """The secret's text.

    Raises:
        HttpError: it could not be asked for.
        ValueError: the answer holds none. The message does not show what it holds.
    """
    if secret.service == SECRETS_MANAGER:
        path = f"/secretsmanager/get?secretId={_quoted(secret.name)}"
    else:
        path = f"/systemsmanager/parameters/get?name={_quoted(secret.name)}&withDecryption=true"
    headers = ((_TOKEN_HEADER, secret.token),)
    request = request_bytes("GET", path, f"localhost:{secret.port}", headers, b"")
    connection = Connection(connect(_HOST, secret.port, _TIMEOUT_S))
    try:
        answer = connection.exchange(request, monotonic() + _TIMEOUT_S)
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"the AWS Parameters and Secrets extension answers HTTP {answer.status}")
    found = loads(answer.body)
    if isinstance(found, dict):
        holder = found if secret.service == SECRETS_MANAGER else found.get("Parameter")
        text = (
            holder.get("SecretString" if secret.service == SECRETS_MANAGER else "Value")
            if isinstance(holder, dict)
            else None
        )
        if isinstance(text, str):
            return text
    raise ValueError("the AWS Parameters and Secrets extension answers without a text")


def _headers_of(text: str) -> Headers:
    """Headers out of lines of ``name=value``, or out of a JSON object.

    Raises:
        ValueError: it is neither. The message does not show what it holds.
    """
    try:
        if text.lstrip().startswith("{"):
            pairs = loads(text.encode()).items()
            return tuple((str(name), value) for name, value in pairs if _checked(str(name), value))
        lines = (line.strip() for line in text.splitlines())
        return tuple(header for line in lines if line and line[0] != "#" for header in parse_headers(line))
    except ValueError:
        raise ValueError("it holds neither name=value lines nor a JSON object of headers") from None


def _checked(name: str, value: object) -> bool:
    if not isinstance(value, str) or not name.isascii() or any(ord(c) <= 32 or c == ":" for c in name):
        raise ValueError(name)
    if any(c in value for c in "\r\n\0"):
        raise ValueError(name)
    return True


def _quoted(text: str) -> str:
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
