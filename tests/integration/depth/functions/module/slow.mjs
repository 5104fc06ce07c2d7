// Takes a known time to load.
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
