"""The reference pages, made from the code: ``python -m docs.reference`` writes them anew.

``configuration.md`` is made from the typed tree and the commented example, ``commands.md`` from the command line
itself, ``sources.md`` from the links of all pages. A test holds each to what it is made from.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.links import sources
from enforcer import config_fields
from enforcer.cli import main
from enforcer.config import Config
from enforcer.fingerprints.detection import Family
from enforcer.gateway.loader import RESTART_ONLY
from enforcer.options import FAULT, INPUT, MACHINE

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH = 88
"""Columns of the commands' help: as many as a page shows."""
EXAMPLE = REPOSITORY / "config" / "enforcer.example.yaml"

_TYPES: tuple[tuple[Any, str, str], ...] = (
    (config_fields.Seconds, "duration", "durations"),
    (config_fields.Grace, "duration", "durations"),
    (config_fields.Network, "address or prefix", "addresses or prefixes"),
    (config_fields.Interface, "interface name", "interface names"),
    (config_fields.HostName, "host name", "host names"),
    (config_fields.MobileNetwork, 'mobile network, `"MCC-MNC"`', 'mobile networks, `"MCC-MNC"`'),
    (config_fields.Address, "address", "addresses"),
    (config_fields.TimeZone, "time zone (IANA)", "time zones (IANA)"),
    (config_fields.Country, "country (ISO 3166, two letters)", "countries (ISO 3166, two letters)"),
    (config_fields.Listen, "`address:port`", "`address:port`"),
    (config_fields.Integer, "number", "numbers"),
    (Path, "path", "paths"),
    (str, "text", "texts"),
    (Family, "`wireguard`, `openvpn` or `ipsec`", "`wireguard`, `openvpn`, `ipsec`"),
    (bool, "`true` or `false`", "`true` or `false`"),
)
"""Each type of a setting in words: one of it, and several."""

_AT_LEAST = {"registry.grace": "30d"}
"""Bounds that a validator of the type holds, where the type's declaration does not show them."""

_RELOAD_NOTES = {
    "radius.clients": "A reload changes clients; from none to some, or back to none, only a restart.",
    "numbers.key_file": "A reload changes it; beside `sessions.store` only a restart.",
}

_BOUNDS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}

_CONFIGURATION = """# Configuration reference

<!-- Made from the code: python -m docs.reference -->

One YAML file, `/etc/enforcer/enforcer.yaml` unless `--config` names another. `enforcer check` tells everything
that is wrong with it, by file, line and field. A key that is not on this page is an error, never ignored.

- A **duration** is a number and one of `s`, `m`, `h`, `d`: `90s`, `2h`, `30d`. A bare number is in seconds.
- A **path** that does not begin with `/` is relative to the configuration file's folder.
- A **prefix** has no host bits set: `198.51.100.0/24`, `2001:db8:1::/48`. A single address is one too.
- **Restart** marks what only a restart changes. A reload that would change it is refused as a whole, and says so.
  Everything else changes with `enforcer reload` or SIGHUP; changed list files are read again by themselves.

"""

_COMMANDS = f"""# Command reference

<!-- Made from the code: python -m docs.reference -->

What each command prints with `--help`. `--config` is `/etc/enforcer/enforcer.yaml` where it is not given.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| {INPUT} | something in the files given is wrong, or the running daemon refused; all of it is listed |
| 2 | the command line itself is wrong |
| {MACHINE} | this machine cannot do it: no right to, no nft, a port or queue taken |
| {FAULT} | `enforcer run` met a fault of its own and took everything out of the kernel; worth starting again |

"""


def configuration() -> str:
    """The page of every setting: type, bounds, default, meaning, and what changes it."""
    parts = [_CONFIGURATION]
    example = _sections(EXAMPLE.read_text(encoding="utf-8"))
    for name, field in Config.model_fields.items():
        parts.append(f"## `{name}`\n\n")
        inner = _section_of(_hint(Config, name))
        if inner is None:
            parts.append(_setting(Config, name, field, name))
        else:
            several = _is_several(_hint(Config, name))
            parts.append(f"{field.description}\n\n")
            parts.extend(_settings(inner, name + ("[]" if several else ""), "###"))
        if name not in example:
            raise LookupError(f"{EXAMPLE.name} has no section {name!r}: put it there, with comments")
        parts.append(f"```yaml\n{example[name]}```\n\n")
    return "".join(parts).rstrip() + "\n"


def commands() -> str:
    """The page of every command, in its own words."""
    parts = [_COMMANDS]
    for context in _all_commands():
        parts.append(f"## `{context.command_path}`\n\n```text\n{context.get_help()}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def keys() -> Iterator[str]:
    """Every setting by its dotted name, sections included; ``[]`` stands for one of several."""
    yield from _keys(Config, "")


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "commands.md": commands,
    "sources.md": lambda: sources(REPOSITORY),
}


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        hint = _hint(model, name)
        dotted = prefix + (field.alias or name)
        yield dotted
        inner = _section_of(hint)
        if inner is not None:
            yield from _keys(inner, dotted + ("[]." if _is_several(hint) else "."))


def _settings(model: type[BaseModel], prefix: str, heading: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        dotted = f"{prefix}.{field.alias or name}"
        hint = _hint(model, name)
        inner = _section_of(hint)
        yield f"{heading} `{dotted}`\n\n"
        if inner is None:
            yield _setting(model, name, field, dotted)
        else:
            several = _is_several(hint)
            note = f" {_RELOAD_NOTES[dotted]}" if dotted in _RELOAD_NOTES else ""
            yield f"{field.description}{note}\n\n"
            yield from _settings(inner, dotted + ("[]" if several else ""), heading)


def _setting(model: type[BaseModel], name: str, field: FieldInfo, dotted: str) -> str:
    hint = _hint(model, name)
    facts = [_words(hint, dotted), *_bounds(field, dotted)]
    if field.is_required():
        facts.append("required")
    else:
        facts.append(f"default {_default(field.default, _is_duration(hint))}")
    if dotted in RESTART_ONLY:
        facts.append("**restart**")
    note = f"\n\n{_RELOAD_NOTES[dotted]}" if dotted in _RELOAD_NOTES else ""
    told = "; ".join(facts)
    return f"{field.description}\n\n{told[0].upper()}{told[1:]}.{note}\n\n"


def _words(hint: Any, dotted: str) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_named(arguments[0], dotted)[1]}"
    if origin in (Union, types.UnionType) and type(None) in arguments and hint != config_fields.Network:
        (inner,) = (one for one in arguments if one is not type(None))
        return f"{_words(inner, dotted)}, or `null`"
    return _named(hint, dotted)[0]


def _named(hint: Any, dotted: str) -> tuple[str, str]:
    for known, one, several in _TYPES:
        if hint == known:
            return one, several
    raise TypeError(f"{dotted}: no words for the type {hint}; add them to docs/reference.py")


def _bounds(field: FieldInfo, dotted: str) -> Iterator[str]:
    for item in field.metadata:
        for attribute, words in _BOUNDS.items():
            value = getattr(item, attribute, None)
            if isinstance(value, int):
                yield words.format(value)
    if dotted in _AT_LEAST:
        yield f"at least {_AT_LEAST[dotted]}"


def _default(value: object, is_duration: bool) -> str:
    if value is None:
        return "`null`"
    if value == ():
        return "`[]`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(map(str, value)) + "]`"
    if is_duration and isinstance(value, int):
        for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
            if value and value % size == 0:
                return f"`{value // size}{unit}`"
        return f"`{value}s`"
    return f"`{value:#x}`" if isinstance(value, int) and value > 1 << 24 else f"`{value}`"


def _is_duration(hint: Any) -> bool:
    return hint in (config_fields.Seconds, config_fields.Grace)


def _is_several(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _section_of(hint: Any) -> type[BaseModel] | None:
    inner = get_args(hint)[0] if _is_several(hint) else hint
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _hint(model: type[BaseModel], name: str) -> Any:
    return get_type_hints(model, include_extras=True)[name]


def _sections(text: str) -> dict[str, str]:
    """The commented example by top-level key, each with the comment that stands above it."""
    found: dict[str, str] = {}
    for block in re.split(r"\n\n(?=(?:#.*\n)*[a-z]+:)", text.partition("\n\n")[2]):
        key = re.search(r"^([a-z]+):", block, re.MULTILINE)
        if key is not None:
            found[key[1]] = block.rstrip() + "\n"
    return found


def _all_commands() -> Iterator[click.Context]:
    group = click.Context(
        main, info_name="enforcer", terminal_width=WIDTH, max_content_width=WIDTH, **main.context_settings
    )
    yield group
    for name in main.list_commands(group):
        command = main.get_command(group, name)
        assert command is not None  # it is listed
        yield click.Context(command, info_name=name, parent=group)


if __name__ == "__main__":
    for file, page in PAGES.items():
        (REPOSITORY / "docs" / file).write_text(page(), encoding="utf-8")
