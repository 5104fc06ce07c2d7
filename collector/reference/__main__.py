"""``python -m collector.reference``: the schema file, anew."""

import sys

from collector.reference.schema import schema

sys.stdout.write(schema())
