"""The configuration's file: YAML to the typed tree, every error with its file, line and field."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from enforcer.config import Config
from enforcer.problems import Problem
from enforcer.trusted_file import fault


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` lists every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load(path: Path) -> Config:
    """Read and validate a configuration file; paths in it are relative to it.

    Raises ConfigError with every problem found.
    """
    try:
        with path.open(encoding="utf-8") as opened:
            wrong = fault(path, os.fstat(opened.fileno()))
            if wrong is not None:
                raise ConfigError([_file_problem(path, wrong)])
            text = opened.read()
    except IsADirectoryError:
        raise ConfigError([_file_problem(path, "is a directory; expected a YAML file")]) from None
    except FileNotFoundError:
        raise ConfigError([_file_problem(path, "does not exist; name the configuration with --config")]) from None
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigError([_file_problem(path, f"cannot be read: {detail}")]) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Validate the text of a configuration file; ``path`` is for messages and relative paths.

    Raises ConfigError with every problem found.
    """
    try:
        return _parse(text, path)
    except RecursionError:
        raise ConfigError([_file_problem(path, "is nested too deeply; no setting needs that")]) from None


def _parse(text: str, path: Path) -> Config:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        detail = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None else None
        raise ConfigError([Problem(str(path), line, None, None, f"is not valid YAML: {detail}")]) from None
    except ValueError as error:
        # YAML takes what has the form of a date or a number for one, and there is no 2026-02-30.
        told = f"has a value that is no date or number: {error}; if it is text, put it in quotes"
        raise ConfigError([_file_problem(path, told)]) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError([Problem(str(path), 1, None, None, "expected keys and values, like mode: monitor")])
    lines: dict[tuple[str | int, ...], int] = {}
    problems = [
        Problem(str(path), line, _dotted(where), None, "stands twice; keep one of them")
        for where, line, twice in _walk(node, ())
        if lines.setdefault(where, line) and twice
    ]
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        for item in error.errors():
            problems.append(_problem(path, lines, data, item["loc"], item["type"], item["msg"]))
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or 0)) from None
    if problems:
        raise ConfigError(problems)
    relative: Config = _relative_to(config, path.parent)
    return relative


_EXPECTED = {
    "tuple_type": "expected a list, for example [a, b]",
    "string_type": "expected text; put it in quotes",
    "path_type": "expected the path of a file",
    "model_type": "expected settings under it, as in the commented example",
}
"""What the library's messages say in Python's words, in those of a configuration file; by the kind of error."""


def _file_problem(path: Path, message: str) -> Problem:
    return Problem(str(path), None, None, None, message)


def _walk(
    node: yaml.Node | None, where: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], int, bool]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = (*where, str(key.value))
            yield inner, key.start_mark.line + 1, key.value in seen
            seen.add(key.value)
            yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*where, index), value.start_mark.line + 1, False
            yield from _walk(value, (*where, index))


def _dotted(where: tuple[str | int, ...]) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _problem(
    path: Path,
    lines: dict[tuple[str | int, ...], int],
    data: Any,
    loc: tuple[str | int, ...],
    kind: str,
    message: str,
) -> Problem:
    message = _EXPECTED.get(kind, message).removeprefix("Value error, ")
    # What contradicts another setting is found where both are in sight; its message begins with the setting.
    field, colon, rest = message.partition(": ")
    if kind == "value_error" and colon and (*loc, field) in lines:
        loc, message = (*loc, field), rest
    known, value = _known(loc, lines, data)
    shown = None if isinstance(value, (dict, list)) or known != loc else str(value)
    if kind == "extra_forbidden":
        message, shown = "is not a setting; " + _expected_keys(loc[:-1]), None
    elif kind == "missing":
        message, shown = "is required", None
    return Problem(str(path), lines.get(known), _dotted(loc) or None, shown, message)


def _known(
    loc: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], data: Any
) -> tuple[tuple[str | int, ...], Any]:
    """The longest beginning of a place that stands in the file, and what was read there.

    What stands in the file need not have been read: a key that stands twice counts once.
    """
    while loc:
        value = data
        try:
            for part in loc:
                value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
        else:
            if loc in lines:
                return loc, value
        loc = loc[:-1]
    return loc, data


def _expected_keys(where: tuple[str | int, ...]) -> str:
    model: Any = Config
    for part in where:
        if isinstance(part, int):
            continue
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        annotation = field.annotation if field is not None else None
        inner: list[Any] = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)] or [annotation]
        model = inner[0]
    keys = sorted(field.alias or name for name, field in model.model_fields.items())
    return f"expected one of {', '.join(keys)}"


def _relative_to(section: Any, folder: Path) -> Any:
    """The section with every path in it, however deep, relative to a folder."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, BaseModel):
            changed[name] = _relative_to(value, folder)
        elif isinstance(value, tuple):
            changed[name] = tuple(
                folder / item
                if isinstance(item, Path)
                else _relative_to(item, folder)
                if isinstance(item, BaseModel)
                else item
                for item in value
            )
    return section.model_copy(update=changed)
