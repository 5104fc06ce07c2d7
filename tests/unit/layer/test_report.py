"""The report names every file, and its parts add up to the whole."""

from __future__ import annotations

import zipfile

from deploy.layer.report import main, report


def test_names_every_file_and_adds_up(tmp_path):
    file = tmp_path / "layer.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("extensions/entry", b"x" * 10)
        archive.writestr("lambdascope/lib/python3.11/os.pyc", b"x" * 200)
        archive.writestr("lambdascope/lib/python3.11/json/__init__.pyc", b"x" * 30)
    lines = [line.split() for line in report(file)]
    assert [line for line in lines if line] == [
        ["zipped", "unzipped", "file"],
        ["200", "200", "lambdascope/lib/python3.11/os.pyc"],
        ["30", "30", "lambdascope/lib/python3.11/json/__init__.pyc"],
        ["10", "10", "extensions/entry"],
        ["zipped", "unzipped", "part"],
        ["230", "230", "lambdascope/lib/python3/"],
        ["10", "10", "extensions/"],
        [str(file.stat().st_size), "240", "layer.zip,", "3", "files"],
    ]


def test_says_what_to_run_where_there_is_no_layer(tmp_path, capsys):
    assert main([str(tmp_path / "layer.zip")]) == 1
    assert "run `make layer`" in capsys.readouterr().err
