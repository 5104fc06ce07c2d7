"""The zip file has the same bytes for the same contents, whatever else differs."""

from __future__ import annotations

import os
import zipfile

import pytest

from deploy.layer.archive import write_zip


@pytest.fixture
def files(tmp_path):
    program, data = tmp_path / "program", tmp_path / "data"
    program.write_bytes(b"\x7fELF" * 100)
    program.chmod(0o700)
    data.write_bytes(b"x" * 1000)
    data.chmod(0o600)
    return {"b/data": data, "a/program": program}


def test_order_times_and_owners_modes_do_not_show(files, tmp_path):
    write_zip(tmp_path / "one.zip", files, {})
    os.utime(files["b/data"], (10**9, 10**9))
    files["b/data"].chmod(0o664)
    write_zip(tmp_path / "two.zip", dict(reversed(files.items())), {})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_entries_are_sorted_with_modes_and_one_time(files, tmp_path):
    write_zip(tmp_path / "one.zip", files, {})
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        found = [(entry.filename, oct(entry.external_attr >> 16), entry.date_time) for entry in archive.infolist()]
        assert archive.read("b/data") == b"x" * 1000
    moment = (1980, 1, 1, 0, 0, 0)
    assert found == [("a/program", "0o100755", moment), ("b/data", "0o100644", moment)]


@pytest.mark.parametrize(("epoch", "year"), [("1700000000", 2023), ("0", 1980), ("", 1980)])
def test_source_date_epoch_dates_the_entries_where_zip_can_name_it(files, tmp_path, epoch, year):
    write_zip(tmp_path / "one.zip", files, {"SOURCE_DATE_EPOCH": epoch})
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {year}


def test_no_half_written_file_remains(files, tmp_path):
    files["c/missing"] = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        write_zip(tmp_path / "one.zip", files, {})
    assert not (tmp_path / "one.zip").exists()
