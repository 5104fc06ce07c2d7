"""The launcher against a real socket that plays the Extensions API, as it should be and as it should not."""

from __future__ import annotations

import socket

import pytest

from deploy.layer import elf
from tests.support.layer import (
    ENTRY,
    IDENTIFIER,
    REGISTERED,
    REGISTERED_BODY,
    SUBSCRIBED,
    Reply,
    Script,
    answer,
    chunked,
    launched,
    whole,
)
from tests.support.one_invocation import shutdown_event

IDENTIFIER_HEADER = f"Lambda-Extension-Identifier: {IDENTIFIER}"


@pytest.fixture
def run(reporting, report):
    """Runs the launcher against an API; its Python reports."""

    def start(address, **environment):
        return launched(reporting, {"AWS_LAMBDA_RUNTIME_API": address, **report.environment(), **environment})

    return start


def accepts_connections(port: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def test_registers_subscribes_and_asks_for_the_next_event_in_this_order(serve, run, report):
    api = serve()
    with run(api.address):
        register, subscribe, following = api.expect("register"), api.expect("telemetry"), api.expect("next")
        handoff = report.handoff()
        assert accepts_connections(handoff["port"])
    assert (register.method, register.path) == ("POST", "/2020-01-01/extension/register")
    assert register.headers["lambda-extension-name"] == "lambdascope"
    assert register.headers["lambda-extension-accept-feature"] == "accountId"
    assert register.json == {"events": ["INVOKE", "SHUTDOWN"]}
    assert (subscribe.method, subscribe.path) == ("PUT", "/2022-07-01/telemetry")
    assert subscribe.json == {
        "schemaVersion": "2025-01-29",
        "types": ["platform", "function"],
        "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{handoff['port']}"},
    }
    assert (following.method, following.path) == ("GET", "/2020-01-01/extension/event/next")
    for request in (subscribe, following):
        assert request.headers["lambda-extension-identifier"] == IDENTIFIER
    assert {request.headers["host"] for request in (register, subscribe, following)} == {api.address}
    assert {request.connection for request in (register, subscribe, following)} == {1}


def test_hands_over_the_sockets_and_what_it_knows(serve, run, report):
    api = serve()
    with run(api.address):
        handoff, sockets = report.handoff(), report.read()["sockets"]
    assert handoff == {
        "stage": "waiting",
        "api": str(sockets[0]),
        "listener": str(sockets[1]),
        "port": handoff["port"],
        "schema": "2025-01-29",
        "id": IDENTIFIER,
        "account": "123456789012",
        "start_ns": handoff["start_ns"],
        "registered_ns": handoff["registered_ns"],
    }
    assert len(sockets) == 2
    assert 0 < int(handoff["registered_ns"]) - int(handoff["start_ns"]) < 10**10


@pytest.mark.parametrize(
    ("environment", "path", "key", "value"),
    [
        ({"LAMBDASCOPE_LOGS": "off"}, "telemetry", "types", ["platform"]),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}, "register", "events", ["SHUTDOWN"]),
    ],
)
def test_asks_for_what_the_settings_and_the_kind_of_sandbox_want(serve, run, environment, path, key, value):
    api = serve()
    with run(api.address, **environment):
        requests = {name: api.expect(name) for name in ("register", "telemetry", "next")}
    assert requests[path].json[key] == value


REGISTRATIONS = {
    "in single bytes": Reply(tuple(REGISTERED[at : at + 1] for at in range(len(REGISTERED))), pause_s=0.001),
    "slow": Reply((REGISTERED[:20], REGISTERED[20:]), pause_s=0.2),
    "chunked": whole(chunked(REGISTERED_BODY, IDENTIFIER_HEADER)),
    "closed afterwards": Reply((answer(200, REGISTERED_BODY, IDENTIFIER_HEADER, "Connection: close"),), close=True),
    "closed without saying so": Reply((REGISTERED,), close=True),
    "of undeclared length": Reply(
        (f"HTTP/1.0 200 OK\r\n{IDENTIFIER_HEADER}\r\n\r\n".encode() + REGISTERED_BODY,), close=True
    ),
}


@pytest.mark.parametrize("registration", REGISTRATIONS.values(), ids=REGISTRATIONS.keys())
def test_understands_an_answer_however_it_comes(serve, run, report, registration):
    api = serve(Script(register=[registration]))
    with run(api.address):
        for path in ("register", "telemetry", "next"):
            api.expect(path)
        handoff = report.handoff()
    assert (handoff["stage"], handoff["id"], handoff["account"]) == ("waiting", IDENTIFIER, "123456789012")


NOT_REGISTERED = {
    "refused": whole(answer(403, b'{"errorType":"Extension.InvalidExtensionState"}')),
    "failed": whole(answer(500)),
    "without an identifier": whole(answer(200, REGISTERED_BODY)),
    "with an impossible identifier": whole(answer(200, b"{}", "Lambda-Extension-Identifier: a b")),
    "with an endless identifier": whole(answer(200, b"{}", f"Lambda-Extension-Identifier: {'x' * 129}")),
    "larger than all bounds": whole(answer(200, b"x" * 20000, IDENTIFIER_HEADER)),
    "not HTTP": Reply((b"SSH-2.0-OpenSSH_9.2\r\n",), close=True),
    "cut off": Reply((REGISTERED[:-5],), close=True),
    "nothing": Reply(close=True),
}


@pytest.mark.parametrize("registration", NOT_REGISTERED.values(), ids=NOT_REGISTERED.keys())
def test_hands_over_at_once_where_it_cannot_register(serve, run, report, registration):
    api = serve(Script(register=[registration]))
    with run(api.address, **report.environment(exit_code=0)) as launcher:
        handoff = report.handoff()
        assert launcher.exit_code() == 0
    assert handoff == {"stage": "none", "start_ns": handoff["start_ns"]}
    assert report.read()["sockets"] == []


@pytest.mark.parametrize("address", ["", "localhost:9001", "[::1]:9001", "127.0.0.1", "nonsense"])
def test_leaves_an_address_that_it_cannot_read_to_python(run, report, address):
    with run(address, **report.environment(exit_code=7)) as launcher:
        assert launcher.exit_code() == 7
    assert report.handoff()["stage"] == "none"


def test_hands_over_where_nothing_listens(run, report):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = "{}:{}".format(*closed.getsockname())
    with run(address, **report.environment(exit_code=0)) as launcher:
        assert launcher.exit_code() == 0
    assert report.handoff()["stage"] == "none"


def test_falls_back_to_the_schema_that_every_endpoint_knows(serve, run, report):
    api = serve(Script(telemetry=[whole(answer(400, b'{"errorType":"ValidationError"}')), whole(SUBSCRIBED)]))
    with run(api.address):
        api.expect("register")
        assert [api.expect("telemetry").json["schemaVersion"] for _ in range(2)] == ["2025-01-29", "2022-07-01"]
        api.expect("next")
        assert (report.handoff()["stage"], report.handoff()["schema"]) == ("waiting", "2022-07-01")


@pytest.mark.parametrize("status", [202, 400, 403, 500])
def test_the_function_does_not_wait_where_the_subscription_is_refused(serve, run, report, status):
    api = serve(Script(telemetry=[whole(answer(status))]))
    with run(api.address):
        handoff = report.handoff()
        assert handoff["stage"] == "waiting"
        assert not {"listener", "port", "schema"} & handoff.keys()
        assert len(report.read()["sockets"]) == 1


NO_ANSWER = {
    "silence": Reply(hold=True),
    "half an answer, then silence": Reply((SUBSCRIBED[:10],)),
    "a closed connection": Reply(close=True),
    "an answer that is none": Reply((b"\x00\x01\x02\r\n",), close=True),
}


@pytest.mark.parametrize("reply", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_goes_on_listening_where_the_subscription_has_no_answer(serve, run, report, reply):
    """It may have been heard all the same. The next request needs a connection of its own: an answer may yet come."""
    api = serve(Script(telemetry=[reply]))
    with run(api.address):
        handoff = report.handoff()
        requests = [api.expect("register"), api.expect("telemetry")]
        while (request := api.requests.get(timeout=20)).path.endswith("telemetry"):
            requests.append(request)
        assert request.path.endswith("next")
        assert request.connection > requests[-1].connection
        assert (handoff["stage"], "schema" in handoff) == ("waiting", False)
        assert accepts_connections(handoff["port"])


def test_listens_at_the_port_that_is_set(serve, run, report):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    api = serve()
    with run(api.address, LAMBDASCOPE_LISTENER_PORT=port):
        assert report.handoff()["port"] == port


def test_takes_any_port_where_the_one_that_is_set_is_taken(serve, run, report):
    api = serve()
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        with run(api.address, LAMBDASCOPE_LISTENER_PORT=port):
            handoff = report.handoff()
            assert handoff["stage"] == "waiting"
            assert handoff["port"] != port
            assert accepts_connections(handoff["port"])


HOSTILE = {
    "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere", "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1", "PYTHONMALLOC": "debug", "PYTHONUTF8": "0", "PYTHONHASHSEED": "x", "PYTHONDEVMODE": "1",
    "PYTHONPLATLIBDIR": "nowhere", "PYTHONFAULTHANDLER": "1", "PYTHONTRACEMALLOC": "9", "PYTHONIOENCODING": "ascii",
    "LD_LIBRARY_PATH": "/nowhere", "LD_PRELOAD": "/nowhere.so", "LD_DEBUG": "all", "LD_AUDIT": "/nowhere.so",
    "LD_BIND_NOW": "1", "LD_SHOW_AUXV": "1", "LD_TRACE_LOADED_OBJECTS": "1", "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere", "SSLKEYLOGFILE": "/nowhere", "OPENSSL_CONF": "/nowhere",
    "OPENSSL_MODULES": "/nowhere", "OPENSSL_ENGINES": "/nowhere", "OPENSSL_ia32cap": "~0", "REQUESTS_CA_BUNDLE": "/x",
    "MALLOC_ARENA_MAX": "1", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165", "MALLOC_TRIM_THRESHOLD_": "0",
    "GRPC_TRACE": "all", "GRPC_VERBOSITY": "debug", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "/nowhere",
    "GRPC_PROXY_EXP": "http://nowhere", "ALL_PROXY": "http://nowhere", "LC_ALL": "xx_XX.ISO-8859-1", "LANG": "xx",
    "LC_CTYPE": "xx", "LOCPATH": "/nowhere", "NLSPATH": "/nowhere", "RES_OPTIONS": "debug", "HOSTALIASES": "/nowhere",
    "LOCALDOMAIN": "nowhere", "TMPDIR": "/nowhere", "HOME": "/nowhere", "PATH": "", "IFS": "x", "BASH_ENV": "/nowhere",
    "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://nowhere", "NODE_OPTIONS": "--x",
    "LAMBDASCOPE_HANDOFF": "stage=waiting id=x",
}  # fmt: skip


NO_ENDPOINT = "lambdascope: OTEL_EXPORTER_OTLP_ENDPOINT is not set: nothing is exported\n"
FAMILIES = ("PYTHON", "LD_", "SSL", "OPENSSL_", "MALLOC_", "GRPC_", "LC_", "AWS_")


@pytest.mark.parametrize("family", [*FAMILIES, "any other"])
def test_what_is_no_setting_changes_nothing(serve, unpacked, family):
    """The extension itself: it starts, ends at SHUTDOWN, and says what it says without these variables."""
    hostile = {
        name: value
        for name, value in HOSTILE.items()
        if (name.startswith(FAMILIES) if family == "any other" else not name.startswith(family)) is False
    }
    assert hostile
    api = serve()
    with launched(unpacked, {"AWS_LAMBDA_RUNTIME_API": api.address, **hostile}) as launcher:
        for path in ("register", "telemetry", "next"):
            api.expect(path)
        api.answer_held(shutdown_event())
        assert launcher.exit_code() == 0
        assert launcher.stderr() == NO_ENDPOINT


def test_the_environment_of_the_function_does_not_reach_python(serve, run, report, reporting):
    api = serve()
    settings = {"OTEL_SERVICE_NAME": "é", "AWS_REGION": "eu-central-1", "HTTPS_PROXY": "http://p", "TZ": "UTC"}
    own = {
        "LC_ALL": "C",
        "SSL_CERT_DIR": f"{reporting}/lambdascope/ca",
        "SSL_CERT_FILE": f"{reporting}/lambdascope/ca/none",
        "OPENSSL_CONF": f"{reporting}/lambdascope/openssl.cnf",
    }
    # The one with sanitizers has the machine's C library, which listens to these before the launcher is there.
    of_glibc = ("LD_", "GLIBC_") if elf.read((reporting / ENTRY).read_bytes()).interpreter else ()
    hostile = {name: value for name, value in HOSTILE.items() if not name.startswith(of_glibc)}
    with run(api.address, **{**hostile, **settings}):
        found = report.read()
    environ = found["environ"]
    assert environ.pop("LAMBDASCOPE_HANDOFF").startswith("stage=waiting api=")
    assert environ == {"AWS_LAMBDA_RUNTIME_API": api.address, **report.environment(), **settings, **own}
    library = next((reporting / "lambdascope/lib").glob("python3.*"))
    assert found["path"] == [str(library), str(library / "lib-dynload")]
    assert [file for file in found["modules"] if not file.startswith(f"{reporting}/lambdascope/")] == []
    assert (found["isolated"], found["utf8"]) == (1, 1)


def test_a_thousand_variables_do_no_harm(serve, run, report):
    api = serve()
    many = {f"VARIABLE_{number}": "x" * 3 for number in range(500)}
    ours = {f"OTEL_{number}": "y" for number in range(500)}
    with run(api.address, **many, **ours):
        environ = report.read()["environ"]
    assert ours.items() <= environ.items()
    assert not many.keys() & environ.keys()
    assert environ["LAMBDASCOPE_HANDOFF"].startswith("stage=waiting ")
