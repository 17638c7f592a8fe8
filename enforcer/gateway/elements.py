"""A few elements of our hash sets, written by netlink.

nft 1.0 reads every element of the interval sets before it adds one address anywhere: beside 100,000 prefixes that
takes 0.3 s, and this a millisecond. Messages and attributes are those of linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import re
from socket import AF_INET, AF_INET6, inet_pton

from enforcer.gateway.netlink import CREATE, NESTED, attribute, transact
from enforcer.gateway.ruleset import COUNTED, INTERVAL_SETS, TABLE

OURS = TABLE.split()[1].encode() + b"\0"
"""The table's name in an attribute."""

TABLE_NAME = 1
"""Of chains, rules, element lists and objects alike."""

SET_NAME, ELEMENTS, ELEMENT, KEY, VALUE = 2, 3, 1, 1, 1

LONGEST = 1 << 14
"""Characters of the statements that are written so: some hundred addresses, which fit a socket's buffer."""

_NEWCHAIN, _NEWSETELEM, _DELSETELEM = 3, 12, 14
_KINDS = {"add": (_NEWSETELEM, CREATE), "delete": (_DELSETELEM, 0)}
_AT_ONCE = 1024
"""Elements of a message: an attribute is 64 KB at most."""

_STATEMENT = re.compile(
    rf"flush set {TABLE} (?P<flushed>\w+)\n"
    rf"|(?P<verb>add|delete) element {TABLE} (?P<set>\w+) {{ (?P<texts>.+) }}\n"
)


def written(text: str) -> bool:
    """Carry out nft statements as one transaction, if they are such as can be: False, and nothing done, if not.

    Those are few, and add and delete addresses of hash sets, or empty sets. Raises OSError, the kernel's, when it
    refuses: then nothing of it was done.
    """
    if len(text) > LONGEST:
        return False
    messages: list[tuple[int, int, bytes]] = []
    for line in text.splitlines(keepends=True):
        if line == COUNTED:
            messages.append((_NEWCHAIN, 0, _COUNTED))
            continue
        statement = _STATEMENT.fullmatch(line)
        if statement is None or statement["set"] in INTERVAL_SETS:
            return False
        if statement["flushed"]:
            # Without elements, it is of all (nf_tables_delsetelem in net/netfilter/nf_tables_api.c).
            messages.append((_DELSETELEM, 0, of_set(statement["flushed"])))
            continue
        name = statement["set"]
        family = AF_INET6 if "6" in name else AF_INET
        addresses = [inet_pton(family, each) for each in statement["texts"].split(", ")]
        messages += (
            (*_KINDS[statement["verb"]], of_set(name) + elements(addresses[place : place + _AT_ONCE]))
            for place in range(0, len(addresses), _AT_ONCE)
        )
    transact(messages)
    return True


_CHAIN_NAME, _CHAIN_POLICY, _ACCEPT = 3, 5, 1
_COUNTED = (
    attribute(TABLE_NAME, OURS)
    + attribute(_CHAIN_NAME, COUNTED.split()[3].encode() + b"\0")
    + attribute(_CHAIN_POLICY, _ACCEPT.to_bytes(4, "big"))
)


def of_set(name: str) -> bytes:
    """The attributes that name one of our sets."""
    return attribute(TABLE_NAME, OURS) + attribute(SET_NAME, name.encode() + b"\0")


def elements(addresses: list[bytes]) -> bytes:
    """The attribute that names single addresses, each 4 or 16 bytes in network order, as elements of a set."""
    keys = (attribute(KEY | NESTED, attribute(VALUE, address)) for address in addresses)
    return attribute(ELEMENTS | NESTED, b"".join(attribute(ELEMENT | NESTED, key) for key in keys))
