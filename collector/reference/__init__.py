"""What changes by AWS's word and not by ours: list prices, and when runtimes end. Data files with a date and a source.

``python -m collector.reference > collector/schema/0041_lambda_reference.sql`` writes the schema anew after a change of
the packaged files; a test compares the two. Users load newer ones with ``python -m collector load FILE``.
"""
