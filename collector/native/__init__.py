"""OTLP to ClickHouse's Native format in C: the rows that :mod:`collector.otlp.decode` makes, in a thirtieth of
the time.

The library is built where it runs (``python -m collector.native``). Where it is not there, and for the few messages
that it does not take, the other ways store the same rows.
"""
