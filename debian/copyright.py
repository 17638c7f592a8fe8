"""Prints the machine-readable copyright file: our own licence, and the bundled libraries' from their metadata.

Ends with an error when a library's licence is unknown or not one that GPL-3.0-or-later may be combined with.
"""

import re
import sys
from importlib.metadata import Distribution, distributions

COMPATIBLE = {
    "0BSD",
    "AGPL-3.0-or-later",  # section 13 of both licences: the combination is allowed
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "PSF-2.0",
    "Zlib",
}
"""gnu.org, "Various Licenses and Comments about Them", as SPDX names them."""

WRITTEN_OTHERWISE = {
    "Apache 2": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""Names in metadata older than PEP 639."""

OURS = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: enforcer
Comment: The libraries in /usr/lib/enforcer are bundled as their authors release them; what is said of each is from
 its own metadata. PyYAML's library contains libyaml (MIT); pydantic-core's contains Rust crates under MIT or
 Apache-2.0; numpy's contains OpenBLAS and LAPACK (BSD-3-Clause) and libgfortran (GPL-3 with GCC's exception).

Files: *
Copyright: the enforcer project
License: GPL-3.0-or-later
 This program is free software: you can redistribute it and/or modify it under the terms of the GNU General
 Public License as published by the Free Software Foundation, either version 3 of the License, or (at your
 option) any later version.
 .
 On Debian systems the full text of the GNU General Public License version 3 is in
 /usr/share/common-licenses/GPL-3.
"""


def licence(library: Distribution) -> str:
    """The SPDX expression of a library's licence."""
    metadata = library.metadata.json
    classifiers = [text.split(" :: ")[-1] for text in metadata.get("classifier", ()) if "License" in text]
    name = str(metadata.get("license_expression") or metadata.get("license") or next(iter(classifiers), "none"))
    name = WRITTEN_OTHERWISE.get(name, name)
    if not set(name.split(" AND ")) <= COMPATIBLE:
        sys.exit(f"{library.name}: licence {name!r} is not known to go with GPL-3.0-or-later")
    return name


def short(text: str) -> str:
    """Texts that Debian has once for all (Policy 12.5), replaced by where they are."""
    for title, file in (("Apache License", "Apache-2.0"), ("GNU GENERAL PUBLIC LICENSE", "GPL-3")):
        whole = rf"{title}\s+Version .*?END OF TERMS AND CONDITIONS"
        text = re.sub(whole, f"(the text in /usr/share/common-licenses/{file})", text, flags=re.DOTALL)
    return text


def stanza(library: Distribution) -> str:
    """A paragraph about a library, its licence's text included."""
    texts = [
        file.read_text().strip()
        for file in library.files or []
        if re.search(r"\.dist-info/.*(LICENSE|NOTICE|COPYING)", str(file))
    ]
    if not texts:
        sys.exit(f"{library.name}: comes without a text of its licence")
    holders = re.findall(r"^\W*(?:Copyright|\(c\)|©).*\d{4}.*$", "\n".join(texts), re.MULTILINE | re.IGNORECASE)
    metadata = library.metadata.json
    authors = str(metadata.get("author") or metadata.get("author_email") or "its authors")
    name = licence(library)
    places = sorted({file.parts[0] for file in library.files or [] if file.parts[0] not in ("..", "bin")})
    return "\n".join(
        [
            "Files: " + "\n ".join(f"usr/lib/enforcer/lib/python3*/site-packages/{place}*" for place in places),
            "Copyright: " + "\n ".join([holder.strip() for holder in holders] or [authors]),
            f"License: {name.replace(' AND ', ' and ')}",
            *(f" {line.rstrip()}" if line.strip() else " ." for line in short("\n\n".join(texts)).split("\n")),
            "",
        ]
    )


found = sorted(distributions(path=sys.argv[1:]), key=lambda library: library.name.lower())
print("\n".join([OURS, *(stanza(library) for library in found if library.name != "enforcer")]), end="")
