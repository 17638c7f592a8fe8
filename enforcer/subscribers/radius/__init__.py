"""RADIUS accounting in: datagrams of access servers become events without numbers (RFC 2866).

``codec`` and ``duplicates`` are the core; ``listener`` holds the sockets, in a process of its own that
``process`` keeps running for the daemon, so that accounting never delays a verdict.
"""
