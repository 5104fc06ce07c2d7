"""``deploy/attach``: add the layer to, or remove it from, every function whose name fits a pattern; and undo that.

One line per function. Before a function is changed, its layers as they are go to the undo file, a JSON object per line;
``--undo FILE`` puts them back. Functions that the layer does not fit are named and left alone. Needs
``lambda:ListFunctions``, ``lambda:UpdateFunctionConfiguration`` and ``lambda:GetLayerVersion``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deploy.doctor import MOST_LAYERS, function_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from deploy.doctor import Function


class AttachError(Exception):
    """Nothing can be changed; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a function's layers.

    Attributes:
        before, after: ARNs of layer versions, in their order.
        obstacle: why it is left alone; empty where it is not.
    """

    function: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    obstacle: str = ""

    def __str__(self) -> str:
        if self.obstacle:
            return f"{self.function}: left alone: {self.obstacle}"
        if self.before == self.after:
            return f"{self.function}: nothing to change"
        added = [f"+{arn}" for arn in self.after if arn not in self.before]
        removed = [f"-{arn}" for arn in self.before if arn not in self.after]
        return f"{self.function}: {' '.join(removed + added)}"


def change_of(function: Function, layer: str, architectures: tuple[str, ...], *, remove: bool) -> Change:
    """Add the layer version `layer` in the place of any other version of it, or remove every version of it."""
    before = function.layers
    others = tuple(arn for arn in before if _without_version(arn) != _without_version(layer))
    if remove:
        return Change(function.name, before, others)
    after = tuple(layer if arn not in others else arn for arn in before) if others != before else (*before, layer)
    obstacle = ""
    if function.is_image:
        obstacle = "it is a container image"
    elif architectures and function.architecture not in architectures:
        obstacle = f"it is {function.architecture}, the layer {' or '.join(architectures)}"
    elif len(after) > MOST_LAYERS:
        obstacle = f"it has {len(before)} layers, and Lambda allows {MOST_LAYERS}"
    return Change(function.name, before, before if obstacle else after, obstacle)


def _without_version(arn: str) -> str:
    return arn.rpartition(":")[0]


def undo_line(change: Change) -> str:
    """The line of the undo file for a change."""
    return json.dumps({"function": change.function, "before": change.before, "after": change.after}) + "\n"


def undo_changes(lines: Iterable[str], current: Mapping[str, tuple[str, ...]]) -> Iterator[Change]:
    """The changes back, last first, of functions whose layers are still what we made them (`current`: by function)."""
    for line in reversed(list(lines)):
        done = json.loads(line)
        function, before, after = done["function"], tuple(done["before"]), tuple(done["after"])
        now = current.get(function)
        if now is None:
            yield Change(function, after, after, "it is not there any more")
        elif now != after:
            yield Change(function, now, now, "its layers were changed since")
        else:
            yield Change(function, now, before)


def _functions(client: Any) -> Iterator[Function]:
    for page in client.get_paginator("list_functions").paginate():
        yield from map(function_from, page["Functions"])


def _apply(client: Any, changes: Iterable[Change], undo: TextIO | None, *, dry_run: bool) -> int:
    """Make the changes; how many Lambda has refused, each of which is told and does not keep the others back."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - so that --help is quick

    refused = 0
    for change in changes:
        print(f"would change {change}" if dry_run and change.before != change.after else change, flush=True)
        if dry_run or change.before == change.after:
            continue
        if undo is not None:
            undo.write(undo_line(change))
            undo.flush()
        try:
            client.update_function_configuration(FunctionName=change.function, Layers=list(change.after))
        except (BotoCoreError, ClientError) as error:
            print(f"attach: {change.function} stays as it is: {error}", file=sys.stderr)
            refused += 1
    return refused


def _attach(client: Any, given: argparse.Namespace) -> int:
    if not given.pattern or not given.layer:
        raise AttachError("PATTERN and --layer are needed, or --undo FILE")
    architectures: tuple[str, ...] = ()
    if not given.remove:
        name, _, version = given.layer.rpartition(":")
        if not name.startswith("arn:") or not version.isdecimal():
            raise AttachError(f"--layer {given.layer} is not the ARN of a layer's version, which ends in a number")
        answer = client.get_layer_version(LayerName=name, VersionNumber=int(version))
        architectures = tuple(answer.get("CompatibleArchitectures", ()))
    fitting = [each for each in _functions(client) if fnmatch.fnmatchcase(each.name, given.pattern)]
    if not fitting:
        raise AttachError(f"no function has a name like {given.pattern}")
    changes = [change_of(each, given.layer, architectures, remove=given.remove) for each in fitting]
    if given.dry_run:
        return _apply(client, changes, None, dry_run=True)
    file = Path(given.undo_file or time.strftime("lambdascope-undo-%Y%m%dT%H%M%SZ.jsonl", time.gmtime()))
    with file.open("x", encoding="utf-8") as undo:
        print(f"attach: undo with: deploy/attach --undo {file}", file=sys.stderr)
        return _apply(client, changes, undo, dry_run=False)


def main(arguments: list[str], client: Any = None) -> int:
    """Do what the arguments say; the exit status. `client` is boto3's for Lambda."""
    parser = argparse.ArgumentParser(prog="deploy/attach", description="Add the layer to many functions, or remove it.")
    parser.add_argument("pattern", nargs="?", help="of names of functions, as a shell has it: 'orders-*'")
    parser.add_argument("--layer", help="ARN of the layer version")
    parser.add_argument("--remove", action="store_true", help="remove every version of the layer")
    parser.add_argument("--region", help="where it is not set otherwise")
    parser.add_argument("--undo-file", help="where to write what was changed; must not be there")
    parser.add_argument("--undo", metavar="FILE", help="put back what that file says")
    parser.add_argument("--dry-run", action="store_true", help="say what would be changed")
    given = parser.parse_args(arguments)
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - so that --help is quick

    if client is None:
        import boto3  # noqa: PLC0415 - likewise

        client = boto3.client("lambda", region_name=given.region)
    try:
        if given.undo:
            lines = Path(given.undo).read_text(encoding="utf-8").splitlines()
            current = {each.name: each.layers for each in _functions(client)}
            refused = _apply(client, list(undo_changes(lines, current)), None, dry_run=given.dry_run)
        else:
            refused = _attach(client, given)
    except (AttachError, OSError, ValueError, BotoCoreError, ClientError) as error:
        print(f"attach: {error}", file=sys.stderr)
        return 1
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
