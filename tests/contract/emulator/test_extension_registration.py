"""The rules of ``POST /2020-01-01/extension/register`` and of the identifier.

Source: "Lambda Extensions API" of the Lambda developer guide, and the answers of AWS's Runtime Interface Emulator.
"""

import itertools

import pytest

from emulator.errors import SandboxApiError
from emulator.lifecycle.extensions import Extensions

IDS = (f"00000000-0000-4000-8000-{number:012d}" for number in itertools.count())


def extensions(*names):
    return Extensions(names, new_identifier=lambda: next(IDS))


def refusal(call, *arguments):
    with pytest.raises(SandboxApiError) as refused:
        call(*arguments)
    return refused.value.status, refused.value.error_type


def test_the_runtime_may_start_when_every_external_extension_has_registered():
    these = extensions("a", "b")
    these.register("a", ["INVOKE"])
    assert not these.all_external_registered
    these.register("b", [])
    assert these.all_external_registered
    assert extensions().all_external_registered


def test_a_name_without_a_file_is_an_internal_extension():
    these = extensions("a")
    assert not these.register("inside", ["INVOKE"]).is_external
    assert these.register("a", ["INVOKE", "SHUTDOWN"]).is_external


@pytest.mark.parametrize(
    ("name", "events", "answer"),
    [
        ("", ["INVOKE"], (403, "Extension.InvalidExtensionName")),
        ("a", ["START"], (403, "Extension.InvalidEventType")),
        ("inside", ["SHUTDOWN"], (403, "Extension.InvalidEventType")),
    ],
)
def test_wrong_registrations(name, events, answer):
    assert refusal(extensions("a").register, name, events) == answer


def test_nobody_registers_twice():
    these = extensions("a")
    for name in ("a", "inside"):
        these.register(name, [])
        assert refusal(these.register, name, []) == (403, "Extension.InvalidExtensionState")


def test_registration_closes_with_the_init():
    these = extensions("a")
    these.is_open = False
    assert refusal(these.register, "late", []) == (403, "Extension.RegistrationClosed")


def test_ten_extensions_are_the_limit():
    these = extensions(*"abcdefgh")
    these.register("i", [])
    these.register("j", [])
    assert refusal(these.register, "k", []) == (403, "Extension.TooManyExtensions")


def test_every_call_names_a_known_identifier():
    these = extensions("a")
    known = these.register("a", []).identifier

    assert these.identified(known).name == "a"
    assert refusal(these.identified, None) == (403, "Extension.MissingExtensionIdentifier")
    assert refusal(these.identified, "a") == (403, "Extension.InvalidExtensionIdentifier")
    unknown = "ffffffff-0000-4000-8000-000000000000"
    assert refusal(these.identified, unknown) == (403, "Extension.UnknownExtensionIdentifier")
