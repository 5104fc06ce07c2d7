"""Takes as long to import as it says."""

import time

SLEPT_S = 0.2
time.sleep(SLEPT_S)
