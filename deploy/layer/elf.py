"""Reads 64-bit little-endian ELF files and makes them smaller. Pure: bytes in, bytes out.

Sources: System V ABI, "Object Files"; the symbol versioning chapter of the Linux Standard Base.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from deploy.layer.errors import ElfError

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_DYNAMIC: Final = struct.Struct("<qQ")
_VERNEED: Final = struct.Struct("<HHIII")
_VERNAUX: Final = struct.Struct("<IHHII")
_VERDEF: Final = struct.Struct("<HHHHIII")

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 14, 15, 29
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_SHT_NOBITS, _SHT_STRTAB, _SHF_ALLOC = 8, 3, 2

MACHINES: Final = {62: "x86_64", 183: "arm64"}
"""Lambda's names of the ELF machine numbers."""


@dataclass(frozen=True, slots=True)
class Elf:
    """What a program or library says about itself and what it needs.

    Attributes:
        architecture: x86_64 or arm64.
        interpreter: the loader that it asks for; empty for a library and for a static program.
        soname: the library's own name; empty where it has none.
        needed: the libraries that it asks for.
        search_paths: its RPATH and RUNPATH.
        versions_needed: (library, version) of the symbols that it takes from elsewhere, such as
            ``("libc.so.6", "GLIBC_2.34")``.
        versions_defined: versions of the symbols that it gives.
    """

    architecture: str
    interpreter: str
    soname: str
    needed: tuple[str, ...]
    search_paths: tuple[str, ...]
    versions_needed: frozenset[tuple[str, str]]
    versions_defined: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


@dataclass(frozen=True, slots=True)
class _Segment:
    type: int
    flags: int
    offset: int
    address: int
    physical: int
    file_size: int
    memory_size: int
    alignment: int


def is_elf(data: bytes) -> bool:
    """Whether these are the bytes of an ELF file."""
    return data.startswith(b"\x7fELF")


def read(data: bytes) -> Elf:
    """Read what `data` says about itself.

    Raises:
        ElfError: it is no 64-bit little-endian ELF file of an architecture that Lambda has.
    """
    machine = _header(data)[2]
    if machine not in MACHINES:
        raise ElfError(f"ELF machine {machine} is neither x86_64 nor arm64")
    segments = _segments(data)
    dynamic = _dynamic(data, segments)
    values = dict(dynamic)
    strings = _offset_of(values[_DT_STRTAB], segments) if _DT_STRTAB in values else 0

    def text(offset: int) -> str:
        return _string(data, strings + offset)

    return Elf(
        architecture=MACHINES[machine],
        interpreter=next((_string(data, segment.offset) for segment in segments if segment.type == _PT_INTERP), ""),
        soname=text(values[_DT_SONAME]) if _DT_SONAME in values else "",
        needed=tuple(text(value) for tag, value in dynamic if tag == _DT_NEEDED),
        search_paths=tuple(text(value) for tag, value in dynamic if tag in {_DT_RPATH, _DT_RUNPATH}),
        versions_needed=frozenset(_versions_needed(data, values, segments, strings)),
        versions_defined=frozenset(_versions_defined(data, values, segments, strings)),
    )


def without_search_paths(data: bytes) -> bytes:
    """`data` without RPATH and RUNPATH: they name folders of the machine that built it."""
    segments = _segments(data)
    dynamic = _dynamic(data, segments)
    kept = [entry for entry in dynamic if entry[0] not in {_DT_RPATH, _DT_RUNPATH}]
    if len(kept) == len(dynamic):
        return data
    result = bytearray(data)
    strings = _offset_of(dict(dynamic)[_DT_STRTAB], segments)
    for tag, value in dynamic:
        if tag in {_DT_RPATH, _DT_RUNPATH}:
            start = strings + value
            end = data.index(b"\0", start)
            result[start:end] = bytes(end - start)
    offset = next(segment.offset for segment in segments if segment.type == _PT_DYNAMIC)
    kept += [(_DT_NULL, 0)] * (len(dynamic) - len(kept))
    for index, entry in enumerate(kept):
        _DYNAMIC.pack_into(result, offset + index * _DYNAMIC.size, *entry)
    return bytes(result)


def stripped(data: bytes) -> bytes:
    """`data` without what is not loaded: debug information, the symbol table of the linker, comments.

    What is loaded keeps its place, so nothing needs relocating. Section headers of what remains are kept, for tools
    such as objdump. (``strip`` of binutils does the same; machines that build the layer need not have it.)
    """
    header = list(_header(data))
    sections = [_Section(*fields) for fields in _table(data, _SECTION, header[6], header[12])]
    if not sections:
        return data
    names = sections[header[13]]
    kept = [index for index, section in enumerate(sections) if index == 0 or section.flags & _SHF_ALLOC]
    place = {old: new for new, old in enumerate(kept)}
    loaded_end = max(segment.offset + segment.file_size for segment in _segments(data))
    end = max([loaded_end, *(_end_in_file(sections[index]) for index in kept)])
    table, name_offsets = _name_table([_string(data, names.offset + sections[index].name) for index in kept])
    result = bytearray(data[:end])
    headers = [
        replace(
            sections[old],
            name=name_offsets[new],
            link=place.get(sections[old].link, 0),
            info=place.get(sections[old].info, 0) if sections[old].flags & 0x40 else sections[old].info,
        )
        for new, old in enumerate(kept)
    ]
    headers.append(_Section(name_offsets[-1], _SHT_STRTAB, 0, 0, len(result), len(table), 0, 0, 1, 0))
    result += table
    result += bytes(-len(result) % 8)
    header[6], header[12], header[13] = len(result), len(headers), len(headers) - 1
    for section in headers:
        result += _SECTION.pack(*(getattr(section, field) for field in _Section.__slots__))
    _HEADER.pack_into(result, 0, *header)
    return bytes(result)


def _name_table(names: list[str]) -> tuple[bytes, list[int]]:
    """The string table of section names, its own included, and where each begins in it."""
    table, offsets = b"\0", []
    for name in [*names, ".shstrtab"]:
        offsets.append(len(table) if name else 0)
        table += name.encode() + b"\0" if name else b""
    return table, offsets


def _end_in_file(section: _Section) -> int:
    return 0 if section.type == _SHT_NOBITS else section.offset + section.size


def _header(data: bytes) -> tuple[int, ...]:
    if len(data) < _HEADER.size or not data.startswith(b"\x7fELF\x02\x01"):
        raise ElfError("not a 64-bit little-endian ELF file")
    return _HEADER.unpack_from(data)


def _table(data: bytes, record: struct.Struct, offset: int, count: int) -> list[tuple[int, ...]]:
    if offset + count * record.size > len(data):
        raise ElfError("the ELF file is cut off")
    return [record.unpack_from(data, offset + index * record.size) for index in range(count)]


def _segments(data: bytes) -> list[_Segment]:
    header = _header(data)
    return [_Segment(*fields) for fields in _table(data, _SEGMENT, header[5], header[10])]


def _dynamic(data: bytes, segments: list[_Segment]) -> list[tuple[int, int]]:
    for segment in segments:
        if segment.type == _PT_DYNAMIC:
            raw = data[segment.offset : segment.offset + segment.file_size]
            return [(tag, value) for tag, value in _DYNAMIC.iter_unpack(raw)]
    return []


def _offset_of(address: int, segments: list[_Segment]) -> int:
    for segment in segments:
        if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.file_size:
            return address - segment.address + segment.offset
    raise ElfError(f"nothing of the file is loaded at {address:#x}")


def _string(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _versions_needed(
    data: bytes, values: dict[int, int], segments: list[_Segment], strings: int
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if _DT_VERNEED not in values:
        return found
    offset = _offset_of(values[_DT_VERNEED], segments)
    for _ in range(values[_DT_VERNEEDNUM]):
        _, count, library, first, following = _VERNEED.unpack_from(data, offset)
        at = offset + first
        for _ in range(count):
            _, _, _, name, step = _VERNAUX.unpack_from(data, at)
            found.append((_string(data, strings + library), _string(data, strings + name)))
            at += step
        offset += following
    return found


def _versions_defined(data: bytes, values: dict[int, int], segments: list[_Segment], strings: int) -> list[str]:
    found: list[str] = []
    if _DT_VERDEF not in values:
        return found
    offset = _offset_of(values[_DT_VERDEF], segments)
    for _ in range(values[_DT_VERDEFNUM]):
        *_, first, following = _VERDEF.unpack_from(data, offset)
        (name,) = struct.unpack_from("<I", data, offset + first)
        found.append(_string(data, strings + name))
        offset += following
    return found
