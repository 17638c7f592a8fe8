"""docs/shapes.md is the table of the shapes as they are."""

from __future__ import annotations

from pathlib import Path

from enforcer.fingerprints.catalogue import markdown_table

HEAD = """# Shapes

What the kernel's sieve hands to user space, made from `enforcer/fingerprints/`: the same definitions are the
test in user space. A shape is necessary, not sufficient: the proof tests more (lengths that must agree, clocks,
payload chains, what the other end answered). Offsets and bytes are of the UDP payload or the TCP segment's.

"""


def test_the_table_is_up_to_date(repository: Path) -> None:
    said = (repository / "docs" / "shapes.md").read_text(encoding="utf-8")
    assert said == HEAD + markdown_table(), (
        "write it anew: python -m tests.unit.fingerprints.test_documented_shapes"
    )


if __name__ == "__main__":
    Path("docs/shapes.md").write_text(HEAD + markdown_table(), encoding="utf-8")
