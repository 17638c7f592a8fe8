"""The attributes that are read, and no others: type numbers and data types as their RFCs give them."""

from __future__ import annotations

from io import StringIO

from pyrad.dictionary import Dictionary

# Octets instead of the RFC's data type: NAS-Identifier and Acct-Session-Id, which are names that must not change
# on the way and not always UTF-8; and IPv6 addresses, of which pyrad would take one of fewer than 16 octets.
_TEXT = """
# RFC 2865: sections 5.1, 5.4, 5.8, 5.31, 5.32
ATTRIBUTE  User-Name               1  string
ATTRIBUTE  NAS-IP-Address          4  ipaddr
ATTRIBUTE  Framed-IP-Address       8  ipaddr
ATTRIBUTE  Calling-Station-Id     31  string
ATTRIBUTE  NAS-Identifier         32  octets
# RFC 2866: sections 5.1, 5.2, 5.5
ATTRIBUTE  Acct-Status-Type       40  integer
ATTRIBUTE  Acct-Delay-Time        41  integer
ATTRIBUTE  Acct-Session-Id        44  octets
# RFC 2869: section 5.3
ATTRIBUTE  Event-Timestamp        55  date
# RFC 3162: sections 2.1, 2.3
ATTRIBUTE  NAS-IPv6-Address       95  octets
ATTRIBUTE  Framed-IPv6-Prefix     97  ipv6prefix
# RFC 4818: section 3
ATTRIBUTE  Delegated-IPv6-Prefix 123  ipv6prefix
# RFC 6911: section 3.1
ATTRIBUTE  Framed-IPv6-Address   168  octets

# RFC 2866 section 5.1
VALUE  Acct-Status-Type  start           1
VALUE  Acct-Status-Type  stop            2
VALUE  Acct-Status-Type  interim-update  3
VALUE  Acct-Status-Type  accounting-on   7
VALUE  Acct-Status-Type  accounting-off  8
"""

DICTIONARY = Dictionary(StringIO(_TEXT))
"""Named as in the RFCs; the values of Acct-Status-Type are named as in ``EventKind``."""
