"""Makes small pictures of large ones: works the processor, takes memory, and needs long to start."""

import time
import zlib

SIZE = 640


def _load_filters():
    """The larger part of the cold start."""
    ends = time.monotonic() + 0.45
    kernel = 0
    while time.monotonic() < ends:
        kernel = zlib.crc32(bytes(4096), kernel)
    return kernel


FILTERS = _load_filters()


def handler(event, context):
    """Scale a made-up picture down. ``{"scale": n}``, by default 8."""
    scale = event.get("scale", 8)
    picture = bytearray(SIZE * SIZE)
    for row in range(SIZE):
        start = row * SIZE
        picture[start : start + SIZE] = bytes((row * column) & 0xFF for column in range(SIZE))
    small = bytes(picture[row * SIZE + column] for row in range(0, SIZE, scale) for column in range(0, SIZE, scale))
    packed = zlib.compress(small, 9)
    print(f"{SIZE}x{SIZE} to {SIZE // scale}x{SIZE // scale}: {len(packed)} bytes")
    return {"width": SIZE // scale, "height": SIZE // scale, "bytes": len(packed)}
