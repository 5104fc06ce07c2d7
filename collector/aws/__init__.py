"""What AWS is asked for: CloudWatch's points where no metric stream sends them, and the inventory of functions.

``config`` (a YAML file) → ``sessions`` (an account and a region each, the only module that imports boto3) → ``metrics``
(discovery, pages, points) and ``inventory`` (functions, limits, mappings, versions, retention) → ``progress`` (how far
each has come, in ClickHouse, so that a restart goes on) → ``job`` (when what is due). ``series`` and ``configuration``
are pure: answers of AWS in, rows out.
"""
