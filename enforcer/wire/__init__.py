"""Bytes to headers: link layers, IP, transports and capture files. No sockets, no clocks."""
