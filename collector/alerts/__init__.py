"""Alerts: rules over SQL, evaluated on closed minutes, told to people once.

``rules`` reads the file, ``metrics`` knows the named metrics (one SQL file each in ``queries/``), ``state`` decides
(pure), ``history`` keeps what changed in ClickHouse, ``destinations`` tells it, ``job`` puts them together.
"""
