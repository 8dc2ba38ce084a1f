"""The shapes that cross a boundary. No I/O, no SDKs, no clock, no randomness."""
