"""The file of rules: the recommended one, every key, and an error with a name for whatever is wrong."""

from datetime import timedelta
from importlib import resources

import pytest
import yaml

from collector.alerts.errors import RuleFileError
from collector.alerts.metrics import METRICS
from collector.alerts.rules import Threshold, parse

RULE = {"name": "errors", "metric": "error_rate", "critical": "> 10 %"}


def file(*rules, **top):
    return yaml.safe_dump({"rules": list(rules), **top})


def test_the_recommended_rules_are_all_on_and_use_every_metric_but_the_plain_age():
    text = resources.files("collector.alerts").joinpath("recommended.yaml").read_text(encoding="utf-8")
    rules = parse(text, {}).rules
    assert {rule.metric.name for rule in rules} == set(METRICS) - {"iterator_age_s"}
    assert all(rule.advice and rule.title != rule.name for rule in rules)


def test_defaults():
    [rule] = parse(file(RULE), {}).rules
    assert rule.tiers == (("critical", Threshold(">", 0.1, "> 10 %")),)
    assert (rule.window, rule.hold, rule.clear) == (timedelta(minutes=5),) * 3
    assert (rule.minimum_traffic, rule.missing, rule.ignore) == (0, "ok", frozenset())


def test_every_key():
    said = {
        **RULE,
        "title": "Too many errors",
        "info": "> 0.001",
        "warning": ">= 1%",
        "window": "15m",
        "for": "2h",
        "resolve_after": "1d",
        "minimum_traffic": 30,
        "missing": "alert",
        "ignore": ["canary"],
        "advice": "Call Ann.",
        "enabled": True,
    }
    [rule] = parse(file(said), {}).rules
    assert [severity for severity, _ in rule.tiers] == ["info", "warning", "critical"]
    assert [bound.limit for _, bound in rule.tiers] == [0.001, 0.01, 0.1]
    assert (rule.window, rule.hold, rule.clear) == (timedelta(minutes=15), timedelta(hours=2), timedelta(days=1))
    assert (rule.minimum_traffic, rule.missing, rule.ignore) == (30, "alert", frozenset({"canary"}))
    assert (rule.title, rule.advice) == ("Too many errors", "Call Ann.")


def test_a_rule_may_have_sql_of_its_own():
    [rule] = parse(file({"name": "own", "sql": "SELECT 1 AS Value", "unit": "things", "warning": "> 0"}), {}).rules
    assert (rule.metric.sql, rule.metric.unit) == ("SELECT 1 AS Value", "things")


def test_a_rule_that_is_off_is_left_out_and_still_checked():
    assert parse(file({**RULE, "enabled": False}), {}).rules == ()
    with pytest.raises(RuleFileError, match="metric 'nothing'"):
        parse(file({**RULE, "enabled": False, "metric": "nothing"}), {})


@pytest.mark.parametrize(
    ("value", "breached"),
    [
        ("> 1", [False, False, True]),
        (">= 1", [False, True, True]),
        ("< 1", [True, False, False]),
        ("<= 1", [True, True, False]),
    ],
)
def test_bounds(value, breached):
    [rule] = parse(file({"name": "r", "metric": "timeouts", "info": value}), {}).rules
    [(_, bound)] = rule.tiers
    assert [bound.breached_by(one) for one in (0.0, 1.0, 2.0)] == breached


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "not YAML"),
        ("[]", "the file: a mapping is needed, and it is a list"),
        ("rule: []", "the file: unknown key 'rule'"),
        ("rules: {}", "rules is a mapping, and needs a list"),
        ("rules: [7]", r"rules\[0\]: a mapping is needed, and it is 7"),
        (file({}), r"rules\[0\]: name is missing"),
        (file({**RULE, "name": "My Rule"}), r"rules\[0\].name: 'My Rule' is not made of"),
        (file({**RULE, "treshold": 1}), "rule 'errors': unknown key 'treshold'"),
        (file({**RULE, "metric": "errors"}), "rule 'errors': metric 'errors' is none of .*error_rate"),
        (file({"name": "errors", "critical": "> 1"}), "rule 'errors': needs either metric or sql"),
        (file({**RULE, "sql": "SELECT 1"}), "rule 'errors': needs either metric or sql"),
        (file({"name": "errors", "metric": "error_rate"}), "rule 'errors': needs a bound for one of info, warning"),
        (file({**RULE, "critical": "10 %"}), "rule 'errors': critical: '10 %' is not a bound such as"),
        (file({**RULE, "critical": "=> 1"}), "rule 'errors': critical: '=> 1' is not a bound"),
        (file({**RULE, "for": "5 minutes"}), "rule 'errors': for is '5 minutes', and needs a duration such as 5m"),
        (file({**RULE, "window": "0m"}), "rule 'errors': window is 0"),
        (
            file({**RULE, "minimum_traffic": -1}),
            "rule 'errors': minimum_traffic is -1, and needs a number of 0 or more",
        ),
        (file({**RULE, "missing": "nan"}), "rule 'errors': missing is 'nan', and needs one of ok, keep, alert"),
        (file({**RULE, "enabled": "yes"}), "rule 'errors': enabled is 'yes', and needs true or false"),
        (file(RULE, RULE), "two rules are called 'errors'"),
        (file(destinations=[{"name": "a"}]), "destination 'a': needs one of webhook, slack, sns"),
        (file(destinations=[{"name": "a", "slack": "hooks"}]), "destination 'a': slack: not a URL"),
        (file(destinations=[{"name": "a", "sns": "arn:aws:sqs:x"}]), "destination 'a': sns: not the ARN of a topic"),
        (file(destinations=[{"name": "a", "slack": "${GONE}"}]), "destination 'a': slack: .*variable GONE is not set"),
        (
            file(destinations=[{"name": "a", "slack": "http://x", "severities": ["bad"]}]),
            "destination 'a': severities: 'bad' is none of info, warning, critical",
        ),
    ],
)
def test_what_is_wrong_is_named(text, said):
    with pytest.raises(RuleFileError, match=said):
        parse(text, {})


def test_addresses_come_from_the_environment_and_are_not_shown():
    text = file(destinations=[{"name": "oncall", "slack": "${URL}", "severities": ["critical"]}])
    found = parse(text, {"URL": "https://hooks.example.com/T0/secret"})
    [to] = found.destinations
    assert to.address == "https://hooks.example.com/T0/secret"
    assert to.severities == ("critical",)
    assert "secret" not in repr(found)


def test_a_bad_address_is_told_without_it():
    with pytest.raises(RuleFileError) as raised:
        parse(file(destinations=[{"name": "a", "webhook": "https://user:hunter2@host:port/"}]), {})
    assert "hunter2" not in str(raised.value)
