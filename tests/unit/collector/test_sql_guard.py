"""What a query may say, and that nothing hides from the look at it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sql.errors import QueryError
from collector.sql.guard import check
from collector.sql.lexer import tokens
from collector.sql.settings import SqlLimits, options

TABLE_FUNCTIONS = frozenset({"file", "url", "s3", "remote", "executable", "numbers", "python", "input", "mysql"})
LIMITS = SqlLimits(30, 1 << 30, 1000, 1 << 20, 2)


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("SELECT 1", ""),
        ("select 1 format JSON", "JSON"),
        ("SELECT 1 FORMAT Native;", "Native"),
        ("SELECT 1 ; ; -- the end", ""),
        ("-- a comment; with a semicolon\nSELECT 1 /* file('x') */ FORMAT CSV # and another", "CSV"),
        ("(SELECT 1) UNION ALL (SELECT 2)", ""),
        ("WITH 1 AS x SELECT x", ""),
        ("FROM numbers(3) SELECT number", ""),
        ("SHOW TABLES", ""),
        ("DESCRIBE TABLE otel_traces", ""),
        ("EXPLAIN SELECT 1", ""),
        ("EXISTS TABLE otel_traces", ""),
        ("SELECT 'INTO OUTFILE ''x'''", ""),
        ("SELECT 'it''s \\' file('", ""),
        ("SELECT ';', `a;b`, \"c;d\" FROM t", ""),
        ("SELECT ResourceAttributes['file'] FROM otel_traces", ""),
        ("SELECT formatDateTime(now(), '%F')", ""),
        ("SELECT url FROM t WHERE remote > 1", ""),
        ("SELECT x'41', 1e-5, a.1, a -> b", ""),
        ("SELECT 'non-ASCII \u201c\u00e4\u201d'", ""),
        ("SELECT\u00a01", ""),
    ],
)
def test_allowed(text: str, format_name: str) -> None:
    assert check(text, TABLE_FUNCTIONS).format == format_name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 62),
        (" ; -- nothing", 62),
        ("\n FORMAT Native", 62),
        ("SELEC 1", 62),
        ("selekt 1", 62),
        ("`SELECT` 1", 62),
        ("'SELECT' 1", 62),
        ("1", 62),
        (")", 62),
        ("CRATE TABLE t (a Int8) ENGINE = Memory", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1; DROP TABLE otel_traces", 62),
        ("INSERT INTO otel_traces VALUES (1)", 164),
        ("CREATE TABLE t (a Int8) ENGINE = Memory", 164),
        ("DROP TABLE otel_traces", 164),
        ("SET readonly = 0", 164),
        ("USE system", 164),
        ("SYSTEM FLUSH LOGS", 164),
        ("KILL QUERY WHERE 1", 164),
        ("/**/KILL QUERY WHERE 1", 164),
        ("ATTACH TABLE t", 164),
        ("insert INTO t FORMAT CSV 1", 164),
        ("Undrop TABLE t", 164),
        ("GRANT ALL ON *.* TO default", 164),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 164),
        ("SELECT 1 into/**/outfile '/tmp/x'", 164),
        ("SELECT file('/etc/passwd')", 446),
        ("SELECT FILE ('/etc/passwd')", 446),
        ("SELECT `file`('/etc/passwd')", 446),
        ("SELECT \"file\"/* */('/etc/passwd')", 446),
        ("SELECT `\\x66ile`('/etc/passwd')", 446),
        ("SELECT * APPLY(file) FROM (SELECT '/etc/passwd')", 446),
        ("SELECT arrayMap(file, ['/etc/passwd'])", 446),
        ("SELECT * FROM url('http://127.0.0.1')", 446),
        ("SELECT * FROM t, Url ('http://127.0.0.1')", 446),
        ("DESCRIBE s3('http://127.0.0.1/b/k')", 446),
        ("DESCRIBE TABLE remote('127.0.0.1', system.one)", 446),
        ("SELECT 1 WHERE 1 IN executable('x', 'TSV', 'a String')", 446),
        ("EXPLAIN SELECT * FROM mysql('127.0.0.1', 'd', 't', 'u', 'p')", 446),
        ("SELECT * FROM python(x)", 446),
        ("SELECT aiGenerate('x', 'y')", 446),
        ("SELECT catboostEvaluate('/etc/passwd', 1)", 446),
        ("SELECT 'open", 62),
        ("SELECT `open", 62),
        ("SELECT 1 /* open", 62),
        ("SELECT \u2018 ' \u2019, file('/etc/passwd') --'", 62),
        ("SELECT \u201c ' \u201d, file('/etc/passwd') --'", 62),
        ("SELECT $$ ' $$, file('/etc/passwd') --'", 62),
        ("SELECT $x$ ' $x$, file('/etc/passwd') --'", 62),
        ("SELECT x'\\', file('/etc/passwd') --'", 62),
        ("SELECT 1 // ' \n, file('/etc/passwd') --'", 62),
        ("SELECT 1\0", 62),
    ],
)
def test_refused(text: str, code: int) -> None:
    with pytest.raises(QueryError) as raised:
        check(text, TABLE_FUNCTIONS)
    assert raised.value.code == code
    assert raised.value.text.startswith(f"Code: {code}. DB::Exception: ")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """And what is read is the text: nothing but blanks and comments lies between the tokens."""
    try:
        found = list(tokens(text))
    except QueryError:
        return
    assert [token.start for token in found] == sorted({token.start for token in found})


@given(st.text(alphabet="ab'`\"\\ ;", max_size=30))
def test_a_string_literal_is_one_token(content: str) -> None:
    quoted = "'" + content.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert [token.text for token in tokens(quoted)] == [quoted]


# Settings ------------------------------------------------------------------------------------------------------------


def test_limits_are_there_without_being_asked_for() -> None:
    settings = options({}, LIMITS).settings
    assert settings["max_execution_time"] == "30"
    assert settings["max_memory_usage"] == str(1 << 30)
    assert settings["max_result_rows"] == "1000"
    assert settings["max_result_bytes"] == str(1 << 20)


@pytest.mark.parametrize(
    ("asked", "given"),
    [("5", "5"), ("0.5", "0.5"), ("30", "30"), ("31", "30"), ("0", "30"), ("999999999999999999", "30")],
)
def test_a_limit_can_be_lowered_only(asked: str, given: str) -> None:
    assert options({"max_execution_time": asked}, LIMITS).settings["max_execution_time"] == given


@pytest.mark.parametrize("value", ["", "-1", "1e9", "x", "1&readonly=0", "\u0663"])
def test_a_limit_is_a_number(value: str) -> None:
    with pytest.raises(QueryError, match="Code: 36"):
        options({"max_execution_time": value}, LIMITS)


def test_what_only_shapes_a_result_is_passed_on() -> None:
    settings = options(
        {"output_format_json_quote_64bit_integers": "0", "session_timezone": "Europe/Paris"}, LIMITS
    ).settings
    assert settings["output_format_json_quote_64bit_integers"] == "0"
    assert settings["session_timezone"] == "Europe/Paris"


@pytest.mark.parametrize(
    "name", ["session_id", "wait_end_of_query", "client_protocol_version", "readonly", "async_insert"]
)
def test_what_clients_send_by_default_is_ignored(name: str) -> None:
    assert name not in options({name: "0"}, LIMITS).settings


@pytest.mark.parametrize(
    "name",
    [
        "allow_ddl",
        "allow_introspection_functions",
        "format_schema",
        "output_format_schema",
        "format_template_resultset",
        "format_schema_path",
        "max_execution_time_leaf",
        "max_server_memory_usage",
        "url_base",
        "Readonly",
        "nonsense",
        "a&readonly",
    ],
)
def test_all_others_are_refused_by_name(name: str) -> None:
    with pytest.raises(QueryError, match=f"Code: 164. DB::Exception: Cannot modify '{name}'"):
        options({name: "1"}, LIMITS)


@pytest.mark.parametrize("value", ["a&readonly=0", "a#", "a%", "a?b", "a'", "x" * 65])
def test_a_setting_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(QueryError, match="Code: 36"):
        options({"session_timezone": value}, LIMITS)


def test_compression_of_clickhouse_itself_is_refused_by_name() -> None:
    assert options({"compress": "0"}, LIMITS).settings == options({}, LIMITS).settings
    with pytest.raises(QueryError, match=r"\('compress'\) are not supported; use enable_http_compression=1"):
        options({"compress": "1"}, LIMITS)


@pytest.mark.parametrize("name", ["max_threads", "max_block_size"])
def test_no_client_gets_threads_or_blocks_without_end(name: str) -> None:
    asked = int(options({name: "1000000"}, LIMITS).settings[name])
    assert 1 <= asked < 1_000_000
    assert options({name: "1"}, LIMITS).settings[name] == "1"
    assert options({name: "0"}, LIMITS).settings.get(name) == options({}, LIMITS).settings.get(name)


def test_a_query_can_stand_back_for_others_and_never_push_ahead() -> None:
    nice = "os_threads_nice_value_query"
    assert options({nice: "19"}, LIMITS).settings[nice] == "19"
    assert options({nice: "40"}, LIMITS).settings[nice] == "19"
    assert nice not in options({nice: "0"}, LIMITS).settings
    with pytest.raises(QueryError, match="is not a number: '-5'"):
        options({nice: "-5"}, LIMITS)
