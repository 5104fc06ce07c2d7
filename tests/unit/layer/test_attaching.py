"""Attaching to many functions: what becomes of their layers, and the way back."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from deploy.attaching import change_of, main
from deploy.doctor import function_from

ARN = "arn:aws:lambda:eu-central-1:123456789012:layer:{}"
OURS, OLDER, OTHER = ARN.format("lambdascope:7"), ARN.format("lambdascope:6"), ARN.format("other:1")


def configuration(name: str, *layers: str, **more: object) -> dict[str, object]:
    listed = {"Layers": [{"Arn": arn, "CodeSize": 1} for arn in layers]} if layers else {}
    return {"FunctionName": name, "Architectures": ["arm64"], "PackageType": "Zip", **listed, **more}


@pytest.mark.parametrize(
    ("before", "remove", "after"),
    [
        ((), False, (OURS,)),
        ((OTHER,), False, (OTHER, OURS)),
        ((OLDER, OTHER), False, (OURS, OTHER)),
        ((OTHER, OURS), False, (OTHER, OURS)),
        ((OTHER, OLDER), True, (OTHER,)),
        ((OTHER,), True, (OTHER,)),
    ],
)
def test_adds_in_the_place_of_another_version_or_removes_any(before, remove, after):
    change = change_of(function_from(configuration("f", *before)), OURS, ("arm64",), remove=remove)
    assert (change.before, change.after, change.obstacle) == (before, after, "")


@pytest.mark.parametrize(
    ("function", "obstacle"),
    [
        (configuration("f", PackageType="Image"), "it is a container image"),
        (configuration("f", Architectures=["x86_64"]), "it is x86_64, the layer arm64"),
        (configuration("f", *(ARN.format(f"l{n}:1") for n in range(5))), "it has 5 layers, and Lambda allows 5"),
    ],
)
def test_leaves_a_function_alone_that_the_layer_does_not_fit(function, obstacle):
    change = change_of(function_from(function), OURS, ("arm64",), remove=False)
    assert (change.after, change.obstacle) == (change.before, obstacle)


@pytest.fixture
def aws():
    client = boto3.client("lambda", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def update(stubber: Stubber, name: str, *layers: str) -> None:
    expected = {"FunctionName": name, "Layers": list(layers)}
    stubber.add_response("update_function_configuration", configuration(name, *layers), expected)


def test_changes_what_fits_the_pattern_and_undoes_it(aws, tmp_path, capsys):
    client, stubber = aws
    undo = tmp_path / "undo.jsonl"
    version = {"LayerName": OURS.removesuffix(":7"), "VersionNumber": 7}
    stubber.add_response("get_layer_version", {"CompatibleArchitectures": ["arm64"]}, version)
    page = [configuration("orders-a", OTHER), configuration("orders-b", OURS), configuration("users")]
    stubber.add_response("list_functions", {"Functions": page[:2], "NextMarker": "m"})
    stubber.add_response("list_functions", {"Functions": page[2:]}, {"Marker": "m"})
    update(stubber, "orders-a", OTHER, OURS)
    assert main(["orders-*", "--layer", OURS, "--undo-file", str(undo)], client) == 0
    assert capsys.readouterr().out.splitlines() == [f"orders-a: +{OURS}", "orders-b: nothing to change"]
    stubber.add_response("list_functions", {"Functions": [configuration("orders-a", OTHER, OURS)]})
    update(stubber, "orders-a", OTHER)
    assert main(["--undo", str(undo)], client) == 0
    assert capsys.readouterr().out.splitlines() == [f"orders-a: -{OURS}"]


@pytest.mark.parametrize(
    ("now", "said"), [([configuration("f", OTHER)], "its layers were changed since"), ([], "it is not there any more")]
)
def test_undo_leaves_alone_what_somebody_else_has_changed(aws, tmp_path, capsys, now, said):
    client, stubber = aws
    undo = tmp_path / "undo.jsonl"
    undo.write_text(f'{{"function": "f", "before": [], "after": ["{OURS}"]}}\n')
    stubber.add_response("list_functions", {"Functions": now})
    assert main(["--undo", str(undo)], client) == 0
    assert capsys.readouterr().out == f"f: left alone: {said}\n"


def test_a_dry_run_changes_nothing_and_writes_no_file(aws, tmp_path, capsys, monkeypatch):
    client, stubber = aws
    monkeypatch.chdir(tmp_path)
    stubber.add_response("list_functions", {"Functions": [configuration("f", OLDER)]})
    assert main(["f", "--layer", OURS, "--remove", "--dry-run"], client) == 0
    assert capsys.readouterr().out == f"would change f: -{OLDER}\n"
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_changed_does_not_keep_the_others_back(aws, tmp_path, capsys):
    client, stubber = aws
    undo = tmp_path / "undo.jsonl"
    stubber.add_response("list_functions", {"Functions": [configuration(name, OURS) for name in ("a", "b", "c")]})
    update(stubber, "a")
    stubber.add_client_error("update_function_configuration", "ResourceConflictException", "an update is in progress")
    update(stubber, "c")
    assert main(["?", "--layer", OURS, "--remove", "--undo-file", str(undo)], client) == 1
    assert "attach: b stays as it is: " in capsys.readouterr().err
    assert [line.split('"')[3] for line in undo.read_text().splitlines()] == ["a", "b", "c"]


def test_says_what_is_missing_or_fits_nothing(aws, capsys):
    client, stubber = aws
    assert main(["f"], client) == 1
    assert main(["f", "--layer", "lambdascope"], client) == 1
    stubber.add_response("list_functions", {"Functions": []})
    assert main(["f", "--layer", OURS, "--remove"], client) == 1
    assert capsys.readouterr().err.splitlines() == [
        "attach: PATTERN and --layer are needed, or --undo FILE",
        "attach: --layer lambdascope is not the ARN of a layer's version, which ends in a number",
        "attach: no function has a name like f",
    ]
