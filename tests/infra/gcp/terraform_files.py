"""A folder of Terraform files as plain data, and the references in its expressions, independent of providers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2

Body = dict[str, Any]
_NAME = re.compile(r"(?<![\w.\"-])([a-z][\w-]*)((?:\.[A-Za-z_][\w-]*|\[[^\[\]]*\])+)")
_FOR_VARIABLES = re.compile(r"\bfor\s+(\w+)(?:\s*,\s*(\w+))?\s+in\b")


@dataclass(frozen=True)
class Reference:
    """`root.parts[0].parts[1]…`; indices are parts in brackets."""

    root: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return self.root + "".join(part if part.startswith("[") else f".{part}" for part in self.parts)


@dataclass
class Folder:
    """`resources` and `data` by (type, name); everything else by name."""

    path: Path
    resources: dict[tuple[str, str], Body] = field(default_factory=dict)
    data: dict[tuple[str, str], Body] = field(default_factory=dict)
    providers: list[tuple[str, Body]] = field(default_factory=list)
    variables: dict[str, Body] = field(default_factory=dict)
    locals: Body = field(default_factory=dict)
    outputs: dict[str, Body] = field(default_factory=dict)
    terraform: Body = field(default_factory=dict)


def load(path: Path) -> Folder:
    folder = Folder(path)
    for file in sorted(path.glob("*.tf")):
        document = _cleaned(hcl2.loads(file.read_text()))
        for section in document:
            for block in document[section]:
                _add(folder, section, block)
    return folder


def _add(folder: Folder, section: str, block: Body) -> None:
    if section in {"resource", "data"}:
        target = folder.resources if section == "resource" else folder.data
        for kind, named in block.items():
            for name, body in named.items():
                assert (kind, name) not in target, f"{kind}.{name} is declared twice"
                target[kind, name] = body
    elif section == "provider":
        folder.providers += block.items()
    elif section == "variable":
        folder.variables |= block
    elif section == "output":
        folder.outputs |= block
    elif section == "locals":
        folder.locals |= block
    elif section == "terraform":
        folder.terraform |= block
    else:
        raise AssertionError(f"{folder.path}: a block of kind {section} is new here; teach the checks about it")


def _cleaned(value: Any) -> Any:
    """The value without the parser's metadata, with unquoted keys."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not (k.startswith("__") and k.endswith("__"))}
        return {key.strip('"'): _cleaned(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value


def instances(folder: Folder, kind: str) -> dict[str, Body]:
    """The resources of a kind by name; of one with `for_each` over a local map, the instances by their keys.

    Dynamic blocks over a value that is null or not (`value[*]`) are there or not.
    """
    found: dict[str, Body] = {}
    for (of_kind, name), body in folder.resources.items():
        if of_kind != kind:
            continue
        over = re.search(r"local\.(\w+)", str(body.get("for_each", "")))
        each = folder.locals.get(over[1]) if over else None
        if isinstance(each, dict):
            found |= {key: _with_blocks(_filled_in(body, key, value)) for key, value in each.items()}
        else:
            found[name] = body
    return found


def _filled_in(body: Any, key: str, value: Any) -> Any:
    """The body for one instance: `each.key`, `each.value` and `each.value.NAME` are replaced."""
    if isinstance(body, dict):
        return {name: _filled_in(item, key, value) for name, item in body.items()}
    if isinstance(body, list):
        return [_filled_in(item, key, value) for item in body]
    if body == "${each.value}":
        return value
    if isinstance(body, str) and (whole := re.fullmatch(r"\$\{each\.value\.(\w+)(\[\*\])?\}", body)):
        return [value[whole[1]]] if whole[2] else value[whole[1]]
    if isinstance(body, str):
        body = body.replace("each.key", f'"{key}"')
        body = re.sub(r"\[each\.value\.(\w+)\]", lambda found: f"[{value[found[1]]}]", body)
        return re.sub(r"\$\{each\.value\.(\w+)\}", lambda found: text(value[found[1]]), body)
    return body


def _with_blocks(body: Any) -> Any:
    """The body with its dynamic blocks, as far as they are over a list of one value, as blocks."""
    if isinstance(body, list):
        return [_with_blocks(item) for item in body]
    if not isinstance(body, dict):
        return body
    blocks: Body = {name: _with_blocks(item) for name, item in body.items() if name != "dynamic"}
    left = []
    for dynamic in body.get("dynamic", []):
        ((name, block),) = dynamic.items()
        if not isinstance(block["for_each"], list):
            left.append(dynamic)
        elif block["for_each"] != [None]:
            blocks[name] = [_iterated(item, name, block["for_each"][0]) for item in block["content"]]
    return blocks | ({"dynamic": left} if left else {})


def _iterated(content: Any, name: str, value: Any) -> Any:
    """The content of a dynamic block for one value: `NAME.value` and `NAME.value.ATTRIBUTE` are replaced."""
    if isinstance(content, dict):
        return {key: _iterated(item, name, value) for key, item in content.items()}
    if isinstance(content, list):
        return [_iterated(item, name, value) for item in content]
    if content == f"${{{name}.value}}":
        return value
    if isinstance(content, str) and (whole := re.fullmatch(rf"\$\{{{name}\.value\.(\w+)\}}", content)):
        return value[whole[1]] if isinstance(value, dict) else value[:-1] + f".{whole[1]}}}"
    return content


def literal(value: Any) -> str | None:
    """The text of a plain string; None if it is an expression."""
    if isinstance(value, str) and value.startswith('"') and "${" not in value:
        return value.strip('"')
    return None


def text(value: Any) -> str:
    """A string expression as written, without its quotes."""
    return value[1:-1].replace('\\"', '"') if isinstance(value, str) and value.startswith('"') else str(value)


def references(value: Any) -> Iterator[Reference]:
    """All references in a nested value, except names that a `for` binds."""
    if isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, str):
        code = " ".join(_code(re.sub(r'\["([\w-]+)"\]', r"[\1]", value)))
        bound = {name for pair in _FOR_VARIABLES.findall(code) for name in pair if name}
        for root, rest in _NAME.findall(code):
            if root not in bound:
                yield Reference(root, tuple(re.findall(r"\[[^\[\]]*\]|(?<=\.)[\w-]+", rest)))


def _code(value: str) -> Iterator[str]:
    """The parts of an expression that are not inside a string: strings are skipped, their `${…}` are not."""
    modes, start, index = (["string"] if not value.startswith("${") else []), 0, 0
    if value.startswith('"'):
        index = 1
    while index < len(value):
        in_string = bool(modes) and modes[-1] == "string"
        if in_string and value[index] == "\\":
            index += 2
        elif value.startswith("${", index):
            modes.append("expression")
            index += 2
            start = index
        elif in_string and value[index] == '"':
            modes.pop()
            index += 1
            start = index
        elif not in_string and value[index] == '"':
            yield value[start:index]
            modes.append("string")
            index += 1
        elif not in_string and value[index] == "{":
            modes.append("brace")
            index += 1
        elif not in_string and value[index] == "}":
            if modes and modes.pop() == "expression":
                yield value[start:index]
            index += 1
            if not modes or modes[-1] == "string":
                start = index
        else:
            index += 1
