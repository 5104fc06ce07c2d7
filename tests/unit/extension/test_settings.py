"""Settings: defaults, good values, wrong ones, and what is said about those."""

from pathlib import Path

import pytest

from extension import __version__
from extension.setting_kinds import KINDS
from extension.setting_rows import SETTINGS
from extension.settings import from_environ

ROOT = Path(__file__).resolve().parents[3]
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def read(environ):
    said: dict[str, str] = {}
    return from_environ(environ, said.__setitem__), list(said.values())


def test_defaults():
    settings, said = read(ENDPOINT)
    assert said == []
    assert (str(settings.traces.endpoint), str(settings.logs.endpoint)) == (
        "http://collector:4318/v1/traces", "http://collector:4318/v1/logs")  # fmt: skip
    assert (settings.traces.gzip, settings.traces.timeout_s, settings.traces.headers) == (False, 10.0, ())
    assert (settings.flush, settings.logs_wanted, settings.listener_port) == ("adaptive", True, 0)


def test_without_an_endpoint_one_line_says_so():
    settings, said = read({})
    assert (settings.traces, settings.logs, settings.logs_wanted) == (None, None, False)
    assert said == ["OTEL_EXPORTER_OTLP_ENDPOINT is not set: nothing is exported"]


@pytest.mark.parametrize("prefix", ["", "LAMBDASCOPE_"])
def test_a_wrong_endpoint_is_one_line_that_says_what_happens(prefix):
    name = f"{prefix}OTEL_EXPORTER_OTLP_ENDPOINT"
    settings, said = read({name: "::::"})
    assert (settings.traces, settings.logs) == (None, None)
    assert said == [f"{name}=:::: is not an http:// or https:// address without a password: nothing is exported"]


@pytest.mark.parametrize("secret", ["https://me:s3cret@collector", "htps://collector/?key=s3cret"])
def test_a_wrong_endpoint_that_may_hold_a_secret_is_not_shown(secret):
    _, [said] = read({"OTEL_EXPORTER_OTLP_ENDPOINT": secret})
    assert "s3cret" not in said
    assert said.startswith("OTEL_EXPORTER_OTLP_ENDPOINT is not an http://")


def test_a_wrong_value_is_said_to_be_replaced_by_what_is_used():
    wrong = "is not an http:// or https:// address without a password"
    for name in ("LAMBDASCOPE_OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        settings, [said] = read({**ENDPOINT, name: "::::"})
        assert str(settings.traces.endpoint) == "http://collector:4318/v1/traces"
        used = "it is ignored" if "TRACES" in name else "going on with OTEL_EXPORTER_OTLP_ENDPOINT"
        assert said == f"{name}=:::: {wrong}: {used}"
    settings, [said] = read({**ENDPOINT, "LAMBDASCOPE_FLUSH": "never"})
    assert said == "LAMBDASCOPE_FLUSH=never is not adaptive, end, or periodic,SECONDS: going on with adaptive"
    settings, said = read({"OTEL_EXPORTER_OTLP_ENDPOINT": "::::", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs"})
    assert (settings.traces, settings.logs.endpoint.host) == (None, "logs")
    assert said == [f"OTEL_EXPORTER_OTLP_ENDPOINT=:::: {wrong}: no spans are exported"]


def test_the_prefix_takes_precedence_and_an_empty_value_is_none():
    name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    settings, _ = read({name: "http://sdk", f"LAMBDASCOPE_{name}": "http://layer"})
    assert settings.traces.endpoint.host == "layer"
    settings, _ = read({name: "http://sdk", f"LAMBDASCOPE_{name}": " "})
    assert settings.traces.endpoint.host == "sdk"


def test_a_signals_own_endpoint_is_used_as_it_is():
    settings, _ = read({**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t.example.com/here"})
    assert str(settings.traces.endpoint) == "https://t.example.com/here"
    assert str(settings.logs.endpoint) == "http://collector:4318/v1/logs"
    settings, said = read({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t.example.com"})
    assert (settings.traces.endpoint.path, settings.logs, said) == ("/", None, [])


def test_headers_are_decoded_and_never_shown():
    settings, _ = read({**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr%3Dt, x-team=a%20b"})
    assert settings.traces.headers == (("api-key", "s3cr=t"), ("x-team", "a b"))
    assert "s3cr" not in repr(settings.traces)
    for bad in ("s3cret", "a=s3cret%0d%0ax: y", "a b=s3cret"):
        settings, [said] = read({**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": bad})
        assert settings.traces.headers == ()
        assert "s3cret" not in said
        assert "OTEL_EXPORTER_OTLP_HEADERS" in said


def test_grpc_takes_the_address_as_it_is_and_the_method_of_the_signal_for_a_path():
    grpc = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317/ignored", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    settings, said = read({**grpc, "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"})
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    assert str(settings.traces.endpoint) == f"http://collector:4317/{service}/Export"
    assert (settings.traces.grpc, settings.logs.grpc, said) == (True, False, [])
    assert str(settings.logs.endpoint) == "http://collector:4317/ignored/v1/logs"


@pytest.mark.parametrize(
    ("value", "host", "port", "authorization"),
    [
        ("http://proxy:3128", "proxy", 3128, ""),
        ("proxy:3128/", "proxy", 3128, ""),
        ("http://me:s3%40cret@proxy", "proxy", 80, "Basic bWU6czNAY3JldA=="),
        ("me@proxy:1", "proxy", 1, "Basic bWU="),
    ],
)
def test_a_proxy_with_and_without_a_password(value, host, port, authorization):
    settings, said = read({**ENDPOINT, "HTTP_PROXY": value})
    proxy = settings.traces.proxy
    headers = (("Proxy-Authorization", authorization),) if authorization else ()
    assert (proxy.host, proxy.port, proxy.headers, said) == (host, port, headers, [])
    assert "s3" not in repr(proxy)


def test_a_secret_has_a_service_a_name_a_port_and_the_token_which_is_not_shown():
    secret = {"LAMBDASCOPE_HEADERS_SECRET": "ssm:/otel/headers", "AWS_SESSION_TOKEN": "t0ken"}
    settings, said = read({**ENDPOINT, **secret})
    found = settings.traces.secret
    assert (found.service, found.name, found.port, found.token) == ("ssm", "/otel/headers", 2773, "t0ken")
    assert "t0ken" not in repr(found)
    assert said == []
    settings, [said] = read({**ENDPOINT, "LAMBDASCOPE_HEADERS_SECRET": "vault:x"})
    assert settings.traces.secret is None
    assert "secretsmanager:NAME or ssm:NAME" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "\uff19"),
        ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
        ("LAMBDASCOPE_FLUSH", "sometimes"),
        ("LAMBDASCOPE_FLUSH", "periodic"),
        ("LAMBDASCOPE_FLUSH", "periodic,-1"),
        ("LAMBDASCOPE_FLUSH", "periodic,nan"),
        ("LAMBDASCOPE_FLUSH", "end,5"),
        ("LAMBDASCOPE_LOGS", "maybe"),
        ("LAMBDASCOPE_QUEUE_BYTES", "1"),
        ("LAMBDASCOPE_LISTENER_PORT", "70000"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted_and_counts_as_unset(name, value):
    settings, [said] = read({**ENDPOINT, name: value})
    plain, _ = read(ENDPOINT)
    assert f"{name}={value}" in said
    [row] = [row for row in SETTINGS if row.env == name]
    assert KINDS[row.kind].accepts in said
    for slot in ("flush", "logs_wanted", "queue_bytes", "listener_port", "resource_attributes"):
        assert getattr(settings, slot) == getattr(plain, slot)
    assert repr(settings.traces) == repr(plain.traces)


@pytest.mark.parametrize(
    ("value", "mode", "period_s"),
    [("end", "end", 0.0), ("ADAPTIVE", "adaptive", 0.0), ("periodic,2.5", "periodic", 2.5)],
)
def test_flush(value, mode, period_s):
    settings, said = read({**ENDPOINT, "LAMBDASCOPE_FLUSH": value})
    assert (settings.flush, settings.flush_period_s, said) == (mode, period_s, [])


def test_every_default_is_accepted():
    for row in SETTINGS:
        assert row.kind in KINDS
        if row.default:
            KINDS[row.kind].parse(row.default)


def test_every_setting_is_documented_with_its_default():
    text = (ROOT / "docs" / "extension.md").read_text()
    for row in SETTINGS:
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{row.env}` |")]
        assert f"| {row.default and f'`{row.default}`'} |".replace("|  |", "| |") in line, row.env
        assert row.help in line, row.env


def test_the_version_is_the_projects():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{__version__}"' in text
