"""The launcher's parsers, compiled with undefined behaviour trapped: what they read, and that nothing breaks them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.layer.launcher import TARGETS, WARNINGS, host_architecture, zig_cc
from extension.setting_rows import PREFIX, SETTINGS
from tests.support.layer import LAUNCHER_SOURCES

DRIVER = Path(__file__).with_name("parsers.c")
PURE = [str(LAUNCHER_SOURCES / f"{name}.c") for name in ("environment", "http", "json", "process_text", "text")]
FUZZ_SEED = 20261121
IDENTIFIER = b"Lambda-Extension-Identifier: 7f-1\r\n"


@pytest.fixture(scope="module")
def parsers(tmp_path_factory):
    """The driver, built as the launcher is: without a C library."""
    folder = tmp_path_factory.mktemp("parsers")
    target = folder / "parsers"
    trapped = ["-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined", "-fno-stack-protector"]
    bare = ["-ffreestanding", "-nostdlib", "-static", "-target", TARGETS[host_architecture()]]
    sources = [str(DRIVER), *PURE, str(LAUNCHER_SOURCES / "freestanding.c")]
    zig_cc(
        [*WARNINGS, *trapped, *bare, "-I", str(LAUNCHER_SOURCES), "-o", str(target), *sources], cwd=folder, cache=folder
    )
    return target


def run(program: Path, given: bytes = b"", **environment: str) -> list[tuple[str, bytes]]:
    done = subprocess.run([program], input=given, env=environment, capture_output=True, check=False, timeout=100)
    assert done.returncode == 0, (done.returncode, done.stdout)
    pairs = [line.partition(b"=") for line in done.stdout.splitlines()]
    return [(name.decode(), value) for name, _, value in pairs]


def http(program: Path, given: bytes, *, ended: bool = False) -> dict[str, bytes]:
    return dict(run(program, given, MODE="http-ended" if ended else "http"))


WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\n" + IDENTIFIER + b"Content-Length: 2\r\n\r\nhi",
    "names in any case, blanks around values": (
        b"HTTP/1.1 200 OK\r\nlambda-extension-IDENTIFIER:\t7f-1 \r\ncontent-length:2  \r\n\r\nhi"
    ),
    "no reason phrase": b"HTTP/1.1 200\r\n" + IDENTIFIER + b"Content-Length: 2\r\n\r\nhi",
    "line feeds only": b"HTTP/1.1 200 OK\nLambda-Extension-Identifier: 7f-1\nContent-Length: 2\n\nhi",
    "chunks": b"HTTP/1.1 200 OK\r\n"
    + IDENTIFIER
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n01;a=b\r\ni\r\n0\r\n\r\n",
    "chunks and trailers": (
        b"HTTP/1.1 200 OK\r\n" + IDENTIFIER + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\nTrailer: x\r\n\r\n"
    ),
    "chunks win over a length": (
        b"HTTP/1.1 200 OK\r\n"
        + IDENTIFIER
        + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    ),
    "behind an interim answer": b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
    + IDENTIFIER
    + b"Content-Length: 2\r\n\r\nhi",
    "the same length twice": b"HTTP/1.1 200 OK\r\n" + IDENTIFIER + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("given", WHOLE.values(), ids=WHOLE.keys())
def test_reads_an_answer_that_came_whole(parsers, given):
    expected = {"progress": b"done", "status": b"200", "reusable": b"1", "identifier": b"7f-1", "body": b"hi"}
    assert http(parsers, given) == expected


@pytest.mark.parametrize("given", WHOLE.values(), ids=WHOLE.keys())
def test_waits_for_the_rest_of_an_answer_and_never_takes_a_part_for_the_whole(parsers, given):
    for length in {0, 1, 5, 16, len(given) // 2, len(given) - 3, len(given) - 1}:
        assert http(parsers, given[:length]) == {"progress": b"more"}
        assert http(parsers, given[:length], ended=True) == {"progress": b"bad"}


BAD = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length in hexadecimal": b"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
    "length beyond all bounds": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "header without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "chunk without size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    "chunk too large": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "chunk longer than it says": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD.keys())
def test_refuses_what_is_no_answer(parsers, given):
    assert http(parsers, given) == {"progress": b"bad"}


def test_an_answer_of_undeclared_length_ends_with_the_connection(parsers):
    given = b"HTTP/1.0 200 OK\r\n\r\nhello"
    assert http(parsers, given) == {"progress": b"more"}
    assert http(parsers, given, ended=True)["body"] == b"hello"


@pytest.mark.parametrize(
    "given",
    [
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore than was asked for",
    ],
)
def test_a_connection_is_not_used_again_where_the_answer_forbids_it(parsers, given):
    assert http(parsers, given)["reusable"] == b"0"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (b'{"eventType":"SHUTDOWN"}', b"SHUTDOWN"),
        (b' { "a" : 1 , "eventType" : "INVOKE" } ', b"INVOKE"),
        (b'{"tracing":{"eventType":"no","x":["}"]},"eventType":"INVOKE"}', b"INVOKE"),
        (b'{"requestId":"\\"eventType\\":\\"SHUTDOWN\\"","eventType":"INVOKE"}', b"INVOKE"),
        (b'{"x":"ends in a backslash \\\\","eventType":"INVOKE"}', b"INVOKE"),
        (b'{"x":-1.5e3,"y":null,"z":[],"eventType":"INVOKE"}', b"INVOKE"),
        (b'{"eventType":7}', b""),
        (b'{"other":"x"}', b""),
        (b'["eventType","SHUTDOWN"]', b""),
        (b'{"eventType":"SHUTDO', b""),
        (b'{"a":]],"eventType":"SHUTDOWN"}', b""),
        (b"", b""),
    ],
)
def test_finds_a_string_at_the_top_level_of_json_only(parsers, given, value):
    assert run(parsers, given, MODE="json", KEY="eventType")[0] == ("value", value)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (b'{"eventType":"INVOKE","deadlineMs":1700000000123}', b"1700000000123"),
        (b'{"deadlineMs" : 5 , "x":1}', b"5"),
        (b'{"deadlineMs":0\n}', b"0"),
        (b'{"deadlineMs":-5}', b"-1"),
        (b'{"deadlineMs":1.5}', b"-1"),
        (b'{"deadlineMs":1e3}', b"-1"),
        (b'{"deadlineMs":"5"}', b"-1"),
        (b'{"deadlineMs":9999999999999999999}', b"-1"),
        (b'{"deadlineMs":', b"-1"),
        (b'{"a":{"deadlineMs":5}}', b"-1"),
        (b"", b"-1"),
    ],
)
def test_finds_a_whole_number_at_the_top_level_of_json_only(parsers, given, number):
    assert run(parsers, given, MODE="json", KEY="deadlineMs")[1] == ("number", number)


def request(program: Path, given: bytes) -> dict[str, bytes]:
    return dict(run(program, given, MODE="request"))


DELIVERY = b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n[{"type":"platform.runtimeDone"} ]'


def test_reads_a_delivery_that_came_whole_and_waits_for_the_rest_of_one(parsers):
    body = DELIVERY.partition(b"\r\n\r\n")[2]
    assert request(parsers, DELIVERY) == {
        "progress": b"done", "close": b"0", "rest": b"0", "done": b"1", "body": body,
    }  # fmt: skip
    for length in (0, 3, 16, 40, len(DELIVERY) - 1):
        assert request(parsers, DELIVERY[:length]) == {"progress": b"more"}
    assert request(parsers, DELIVERY + b"POST")["rest"] == b"4"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n[]", {"close": b"1", "body": b"[]"}),
        (b"POST / HTTP/1.1\ncontent-length: 0\n\n", {"close": b"0", "body": b""}),
        (b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nplatform.runtimeDone", {"done": b"0"}),
        (b'POST / HTTP/1.1\r\nContent-Length: 24\r\n\r\n"platform.initRuntimeDon"', {"done": b"0"}),
    ],
)
def test_reads_deliveries_of_the_plain_kind(parsers, given, expected):
    assert expected.items() <= request(parsers, given).items()


@pytest.mark.parametrize(
    "given",
    [
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
        b"POST HTTP/1.1 \r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n[]",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        b"POST / HTTP/1.1\r\nContent-Length: -2\r\n\r\n",
        b"hello\r\n",
    ],
)
def test_leaves_every_other_request_to_python(parsers, given):
    assert request(parsers, given) == {"progress": b"bad"}


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        (b"A=1\0AWS_LAMBDA_RUNTIME_API=h:1\0LAMBDA_TASK_ROOT=/var/task\0", b"1"),
        (b"LAMBDA_TASK_ROOT=\0AWS_LAMBDA_RUNTIME_API=h:1", b"1"),
        (b"AWS_LAMBDA_RUNTIME_API=h:1\0", b"0"),
        (b"AWS_LAMBDA_RUNTIME_API=h:12\0LAMBDA_TASK_ROOT=/\0", b"0"),
        (b"LAMBDA_TASK_ROOT=/\0", b"0"),
        (b"X=LAMBDA_TASK_ROOT=/\0AWS_LAMBDA_RUNTIME_API=h:1\0", b"0"),
        (b"", b"0"),
    ],
)
def test_tells_the_runtime_by_its_environment(parsers, given, ours):
    assert run(parsers, given, MODE="environ", KEY="h:1") == [("ours", ours)]


@pytest.mark.parametrize(
    ("given", "ticks"),
    [
        (b"12 (a b) c) R " + b"1 " * 18 + b"4711 7 8", b"4711"),
        (b"12 (sh) S " + b"-1 " * 18 + b"4711", b"4711"),
        (b"12 (sh) S " + b"1 " * 17 + b"4711", b"-1"),
        (b"12 (sh", b"-1"),
        (b"", b"-1"),
    ],
)
def test_reads_when_a_process_started(parsers, given, ticks):
    assert run(parsers, given, MODE="stat") == [("ticks", ticks)]


@pytest.mark.parametrize("given", [b"127.0.0.1:9001", b"169.254.100.1:9001", b"127.0.0.1:65535"])
def test_reads_an_ipv4_address_and_port(parsers, given):
    address, _, port = given.partition(b":")
    expected = [("valid", b"1"), *(("byte", byte) for byte in address.split(b".")), ("port", port)]
    assert run(parsers, given, MODE="endpoint") == expected


@pytest.mark.parametrize(
    "given",
    [b"", b"localhost:9001", b"127.0.0.1", b"127.0.0.1:", b"127.0.0.1:0", b"127.0.0.1:65536", b"127.0.0.256:1",
     b"[::1]:1", b"1.2.3:4", b"1.2.3.4.5:6", b" 1.2.3.4:5", b"1.2.3.4:5 ", b"1..3.4:5", b"+1.2.3.4:5"],
)  # fmt: skip
def test_takes_nothing_else_for_an_address(parsers, given):
    assert run(parsers, given, MODE="endpoint") == [("valid", b"0")]


def test_passes_on_only_the_names_that_may_change_what_the_extension_does(parsers):
    hostile = {
        "PYTHONPATH": "/x", "PYTHONHOME": "/x", "LD_PRELOAD": "/x", "LD_LIBRARY_PATH": "/x", "SSL_CERT_FILE": "/x",
        "SSL_CERT_DIR": "/x", "MALLOC_ARENA_MAX": "1", "GRPC_VERBOSITY": "debug", "LC_ALL": "de_DE", "PATH": "/x",
        "GLIBC_TUNABLES": "x", "AWS_LAMBDAX": "x", "LAMBDASCOPE_HANDOFF": "stage=waiting", "XOTEL_A": "x",
        "HTTPS_PROXYX": "",
    }  # fmt: skip
    wanted = {
        "OTEL_SERVICE_NAME": "n", "LAMBDASCOPE_LOGS": "OFF", "AWS_LAMBDA_RUNTIME_API": "h:1", "AWS_REGION": "r",
        "https_proxy": "p", "NO_PROXY": "", "TZ": "UTC",
    }  # fmt: skip
    found = run(parsers, b"", MODE="environment", **hostile, **wanted)
    assert sorted(value for name, value in found if name == "kept") == sorted(
        f"{name}={value}".encode() for name, value in wanted.items()
    )
    assert ("logs", b"0") in found


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.env)
def test_passes_on_every_setting_of_the_extension_under_each_of_its_names(parsers, setting):
    names = [setting.env, PREFIX + setting.env] if setting.env.startswith("OTEL_") else [setting.env]
    names += [setting.env.lower()] if setting.env.endswith("_PROXY") else []
    found = run(parsers, b"", MODE="environment", **dict.fromkeys(names, "x"))
    assert {value for name, value in found if name == "kept"} == {f"{name}=x".encode() for name in names}


def test_passes_on_no_credentials_and_nothing_that_nobody_reads(parsers):
    """Each single name that is passed on stands in the extension's sources; TZ is Python's own."""
    rules = re.findall(r'^    "([A-Za-z_]+)",', (LAUNCHER_SOURCES / "environment.c").read_text(), re.MULTILINE)
    sources = "".join(file.read_text() for file in LAUNCHER_SOURCES.parent.glob("*.py"))
    assert len(rules) > 5
    assert [name for name in rules if f'"{name.upper()}"' not in sources] == ["TZ"]
    secrets = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")
    assert not [name for name, _ in run(parsers, b"", MODE="environment", **secrets) if name == "kept"]


def test_passes_on_no_more_than_there_is_room_for(parsers):
    many = {f"OTEL_{number}": "x" for number in range(50)}
    assert sum(name == "kept" for name, _ in run(parsers, b"", MODE="environment", **many)) == 8


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {"runtime_api": b"", "managed_instance": b"0", "logs": b"1", "listener_port": b"0"}),
        ({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, {"runtime_api": b"127.0.0.1:9001"}),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}, {"managed_instance": b"1"}),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}, {"managed_instance": b"0", "on_demand": b"1"}),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}, {"on_demand": b"0"}),
        ({"LAMBDASCOPE_LOGS": "off"}, {"logs": b"0"}),
        ({"LAMBDASCOPE_LOGS": "on"}, {"logs": b"1"}),
        ({"LAMBDASCOPE_LISTENER_PORT": "8080"}, {"listener_port": b"8080"}),
        ({"LAMBDASCOPE_LISTENER_PORT": "65536"}, {"listener_port": b"0"}),
        ({"LAMBDASCOPE_LISTENER_PORT": "http"}, {"listener_port": b"0"}),
    ],
)
def test_reads_its_settings(parsers, environment, expected):
    found = dict(run(parsers, b"", MODE="environment", **environment))
    assert {name: found[name] for name in expected} == expected


def test_survives_mutated_messages(parsers):
    """The seed is fixed: a failure prints its input and comes again."""
    assert run(parsers, MODE="fuzz", ROUNDS="100000", SEED=str(FUZZ_SEED)) == [("rounds", b"100000")]


def test_survives_mutated_messages_under_address_sanitizer(tmp_path):
    """With a host compiler, where there is one; without one the test above is what holds."""
    if (gcc := shutil.which("gcc")) is None:
        pytest.skip("no gcc: the trapping build has run the same inputs")
    target = tmp_path / "parsers"
    flags = ["-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover", "-I", str(LAUNCHER_SOURCES)]
    subprocess.run([gcc, *flags, "-o", target, DRIVER, *PURE], check=True)
    assert run(target, MODE="fuzz", ROUNDS="20000", SEED=str(FUZZ_SEED)) == [("rounds", b"20000")]
