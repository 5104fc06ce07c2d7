"""CloudWatch's metrics: metric streams as Firehose delivers them, and what each metric means.

A delivery's way: ``delivery`` (the envelope) → ``sniff`` (which format a record has) → ``json_format`` or
``opentelemetry`` (points) → ``spooled`` (the spool's bytes, and rows of lambda_metrics). All of these are pure.
``receiver``, ``access`` and ``quarantine`` are the edges. ``registry`` says how each metric is to be read.
"""
