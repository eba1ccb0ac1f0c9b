"""The rules and values: pure, without I/O, clock or framework."""
