"""The errors of the layer's build.

::

    LayerError
    ├── CompilerError      the launcher could not be compiled
    ├── DebianError        a package of Debian cannot be had
    ├── ElfError           a file is not the ELF file that it should be
    ├── InterpreterError   this Python cannot be packed, or a library of its own is missing
    └── ModulesError       the extension imports what the layer leaves out, or a module has no source
"""

from __future__ import annotations


class LayerError(Exception):
    """The layer cannot be built; the message says why and what to do."""


class CompilerError(LayerError):
    """The launcher could not be compiled."""


class DebianError(LayerError):
    """A package of Debian cannot be had."""


class ElfError(LayerError):
    """A file is not the ELF file that it should be."""


class InterpreterError(LayerError):
    """This Python cannot be packed, or a library that it needs is missing."""


class ModulesError(LayerError):
    """The extension imports what the layer leaves out, or a module has no source."""
