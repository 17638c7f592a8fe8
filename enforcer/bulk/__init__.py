"""Captures many packets at a time: which of them the engine must see. NumPy over buffers, free of I/O."""
