"""Times, JSON, URLs, ids: each against the library that it stands in for, which is too dear to import in a sandbox."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extension import ids, json_reader
from extension.timestamps import parse_time_ns
from extension.url import parse_url, percent_decode

offsets = st.integers(min_value=-14 * 60, max_value=14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


moments = st.datetimes(
    min_value=datetime(1970, 1, 3),  # noqa: DTZ001 - Hypothesis adds the offset
    max_value=datetime(2261, 12, 30),  # noqa: DTZ001
    timezones=offsets | st.just(UTC),
)


@given(moments)
def test_times_are_those_of_datetime(moment):
    whole = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert parse_time_ns(moment.isoformat()) == whole
    assert parse_time_ns(moment.astimezone(UTC).isoformat().replace("+00:00", "Z")) == whole


@pytest.mark.parametrize(
    ("text", "like"),
    [("2022-10-12T12:01:23:521Z", "2022-10-12T12:01:23.521Z"), ("2022-10-12 12:01:23.521Z", "2022-10-12T12:01:23.521Z"),
     ("2022-10-12T12:01:23,5", "2022-10-12T12:01:23.500Z"), ("2022-10-12t12:01:23z", "2022-10-12T12:01:23.000Z"),
     ("2022-10-12T12:01:23.1234567899Z", "2022-10-12T12:01:23.123456789Z")],
)  # fmt: skip
def test_lenient_times(text, like):
    assert parse_time_ns(text) == parse_time_ns(like) is not None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2022-13-12T12:01:23Z", "2022-02-30T12:01:23Z", "2023-02-29T00:00:00Z", "2022-10-12T25:01:23Z",
     "2022-10-12T12:01:23.Z", "2022-10-12T12:01:23+1", "2022/10/12T12:01:23Z", "1969-12-31T23:59:59Z",
     "2022-10-12T12:01:23.x1Z", "2262-01-01T00:00:00Z", "\uff12022-10-12T12:01:23Z", None, 7],
)  # fmt: skip
def test_what_is_no_time(text):
    assert parse_time_ns(text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(json_values, st.booleans(), st.sampled_from(["", " ", "\n\t \r"]))
def test_json_is_that_of_the_json_package(value, ascii_only, blanks):
    text = blanks + json.dumps(value, ensure_ascii=ascii_only) + blanks
    assert json_reader.loads(text.encode("utf-8", "surrogatepass")) == json.loads(
        text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    )


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\u', max_size=30))
def test_json_refuses_what_the_json_package_refuses(text):
    try:
        meant = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            json_reader.loads(text.encode())
    else:
        assert json_reader.loads(text.encode()) == meant


def test_json_is_read_without_the_json_package():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from extension import json_reader as j;"
        "assert j.loads(b'{\"a\": [1, 2.5, null]}') == {'a': [1, 2.5, None]};"
        "assert 're' not in sys.modules and 'json' not in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, "."], check=True)


@pytest.mark.parametrize(
    "url",
    ["http://collector:4318", "https://c.example.com/otlp/", "http://[::1]:4318/x?y=1", "HTTP://127.0.0.1",
     "https://c.example.com?token=1"],
)  # fmt: skip
def test_urls_are_those_of_urllib(url):
    meant, got = urlsplit(url), parse_url(url)
    assert (got.scheme, got.host) == (meant.scheme, meant.hostname)
    assert got.port == (meant.port or {"http": 80, "https": 443}[meant.scheme])
    assert got.path == (meant.path or "/") + (f"?{meant.query}" if meant.query else "")


@pytest.mark.parametrize(
    "url",
    ["", "collector:4318", "ftp://x", "http://", "http://:4318", "http://x:0", "http://x:99999", "http://x:port",
     "http://user:pw@x", "http://x y", "http://[::1", "http://x\r\nHost: y", "http://ü"],
)  # fmt: skip
def test_what_is_no_url(url):
    with pytest.raises(ValueError):
        parse_url(url)


def test_endpoints_are_shown_as_they_were_meant():
    assert str(parse_url("http://[::1]:4318").below("v1/traces")) == "http://[::1]:4318/v1/traces"
    assert str(parse_url("https://c.example.com:443/otlp/").below("v1/logs")) == "https://c.example.com/otlp/v1/logs"


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"(%[0-9a-fA-F]?|[a-z]){0,8}", fullmatch=True))
def test_percent_decoding_is_that_of_urllib(text):
    assert percent_decode(text) == unquote(text)


def test_ids_are_hashes():
    assert ids.trace_id_of_request("r") == hashlib.sha256(b"r").digest()[:16]
    assert ids.span_id("r", "i", 2, "invoke") == hashlib.sha256(b"r/i/2/invoke").digest()[:8]


@pytest.mark.parametrize(
    ("header", "trace_id", "parent_id", "sampled"),
    [
        ("Root=1-6352a70e-1e2c502e358361800241fd45;Parent=35465b3a9e2f7c6a;Sampled=1",
         "6352a70e1e2c502e358361800241fd45", "35465b3a9e2f7c6a", True),
        ("Root=1-6352a70e-1e2c502e358361800241fd45;Sampled=0", "6352a70e1e2c502e358361800241fd45", "", False),
        (" Parent=0000000000000000; Root=1-6352a70e-1e2c502e358361800241fd45",
         "6352a70e1e2c502e358361800241fd45", "", None),
    ],
)  # fmt: skip
def test_xray_headers(header, trace_id, parent_id, sampled):
    found = ids.parse_trace_header(header)
    assert found is not None
    assert (found.trace_id.hex(), found.parent_id.hex(), found.sampled) == (trace_id, parent_id, sampled)


@pytest.mark.parametrize(
    "header",
    [None, "", "Sampled=0", "Root=", "Root=2-6352a70e-1e2c502e358361800241fd45", "Root=1-short-1e2c",
     "Root=1-00000000-000000000000000000000000", "Root=1-6352a70e-1e2c502e3583618002 1fd45"],
)  # fmt: skip
def test_what_is_no_xray_header(header):
    assert ids.parse_trace_header(header) is None


def test_json_that_is_cut_off_is_refused_without_the_json_package_too():
    """Without it the scanner of Python 3.11 raises SystemError, which pytest, having loaded json, never sees."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from extension import json_reader as j\n"
        'for text in (b\'{"a"\', b\'{"a":\', b"[1,", b\'"a\', b"{", b"["):\n'
        "    try: j.loads(text)\n"
        "    except ValueError: continue\n"
        "    raise AssertionError(text)\n"
        "assert 'json' not in sys.modules"
    )
    root = str(Path(__file__).parents[3])
    subprocess.run([sys.executable, "-I", "-S", "-c", program, root], check=True, timeout=60)


def test_times_of_the_same_minute_are_read_alike():
    """The shortcut for what the platform writes gives what the long way gives, around a minute's borders too."""
    texts = [f"2024-12-31T23:59:{second}.{ms}{zone}" for second in ("00", "07", "59", "60", "5x", "-1")
             for ms in ("000", "521", "999", " 12") for zone in ("Z", "+00:00")]  # fmt: skip
    plain = {text: parse_time_ns(text) for text in texts}
    for text in [*texts, *reversed(texts)]:
        assert parse_time_ns("2024-12-31T23:59:30.000Z") is not None
        assert parse_time_ns(text) == plain[text]
        zoned = text.replace("Z", "+00:00")
        assert parse_time_ns(text) == parse_time_ns(zoned), text


def test_trace_headers_are_told_apart():
    first, second = "Root=1-6650b9d5-0123456789abcdef01234567", "Root=1-6650b9d5-0123456789abcdef01234568"
    for header, last in ((first, 0x67), (second, 0x68), (second, 0x68), (first, 0x67)):
        read = ids.parse_trace_header(header)
        assert read is not None
        assert read.trace_id[-1] == last
