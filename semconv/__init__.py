"""The words that every part of Lambdascope shares: attribute names, phases, tables.

Standard library only, and constants only: the extension ships this package inside the layer, where each import is
paid for by the customer's cold start. Nothing here may import ``typing``, ``enum`` or ``dataclasses`` at run time.
"""
