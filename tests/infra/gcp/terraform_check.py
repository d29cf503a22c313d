"""The checks of `terraform validate` that only need schemas, for machines that can't download the providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.infra.gcp.provider_schemas import META, Block, kind
from tests.infra.gcp.terraform_files import Body, Folder, Reference, instances, literal, references

ALWAYS_THERE = {"path", "terraform", "each", "count", "self"}


def problems(folder: Folder, other_outputs: dict[str, set[str]] | None = None) -> list[str]:
    """One line per problem. `other_outputs`: what the output of each remote state contains, by its name."""
    return [*_shapes(folder), *_links(folder, other_outputs or {}), *_unused(folder), *_versions(folder)]


# --- arguments, blocks, values ---------------------------------------------------------------------------------------


def _shapes(folder: Folder) -> Iterator[str]:
    resources = ((name, instances(folder, name)) for name in {name for name, _ in folder.resources})
    declared = [("resource", name, label, body) for name, bodies in resources for label, body in bodies.items()]
    declared += [("data", name, label, body) for (name, label), body in folder.data.items()]
    for section, name, label, body in declared:
        if name == "terraform_remote_state":
            continue
        found = kind(name, section)
        if found is None:
            yield f"{name}.{label}: the provider has no such {section}"
        else:
            yield from _body(f"{name}.{label}", body, found.block, top=True)
    for name, body in folder.providers:
        found = kind(name, "provider")
        assert found, name
        yield from _body(f"provider {name}", {k: v for k, v in body.items() if k != "alias"}, found.block, top=True)


def _body(where: str, body: Body, block: Block, top: bool = False) -> Iterator[str]:
    given = dict(body)
    for dynamic in given.pop("dynamic", []):
        for name, inner in dynamic.items():
            given[name] = inner["content"]
    for name, value in given.items():
        if top and name in META:
            continue
        argument = block.arguments.get(name)
        if argument is None:
            yield f"{where}: there is no argument {name}"
            continue
        is_block = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
        if argument.written_as_block and not is_block:
            yield f"{where}: {name} is a block, written {name} {{ }}"
        elif argument.block and argument.written_as_block:
            for item in value:
                yield from _body(f"{where}.{name}", item, argument.block)
        elif argument.block and isinstance(value, dict):
            yield from _body(f"{where}.{name}", value, argument.block)
        elif argument.block and is_block:
            yield f"{where}: {name} is an argument, written {name} = {{ }}"
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value) and not argument.block:
            yield f"{where}: {name} is no block"
        if argument.allowed and (said := literal(value)) is not None and said not in argument.allowed:
            yield f"{where}: {name} can't be {said!r}, only one of {', '.join(sorted(argument.allowed))}"
    for name, argument in block.arguments.items():
        if argument.required and name not in given:
            yield f"{where}: {name} is missing"


# --- references ------------------------------------------------------------------------------------------------------


def _links(folder: Folder, other_outputs: dict[str, set[str]]) -> Iterator[str]:
    for where, body in _bodies(folder):
        iterators = {name for dynamic in _dynamics(body) for name in dynamic}
        for reference in references(body):
            if reference.root not in iterators and (wrong := _wrong(folder, reference, other_outputs)):
                yield f"{where}: {reference}: {wrong}"


def _wrong(folder: Folder, reference: Reference, other_outputs: dict[str, set[str]]) -> str | None:
    root, parts = reference.root, reference.parts
    if root in ALWAYS_THERE:
        return None
    if root == "var":
        return None if parts[0] in folder.variables else "no such variable"
    if root == "local":
        return _wrong_local(folder, parts, other_outputs)
    if root == "data":
        return _wrong_object(folder.data, parts[0], parts[1:], "data", other_outputs)
    if any(root == name and body.get("alias", "").strip('"') == parts[0] for name, body in folder.providers):
        return None
    return _wrong_object(folder.resources, root, parts, "resource", other_outputs)


def _wrong_local(folder: Folder, parts: tuple[str, ...], other_outputs: dict[str, set[str]]) -> str | None:
    if parts[0] not in folder.locals:
        return "no such local"
    whole = next(iter(references(folder.locals[parts[0]])), None)
    if whole and whole.root == "data" and whole.parts[2:] == ("outputs", "installation") and len(parts) > 1:
        return None if parts[1] in other_outputs.get(whole.parts[1], set()) else "the other step has no such output"
    return None


def _wrong_object(
    declared: dict[tuple[str, str], Body],
    name: str,
    parts: tuple[str, ...],
    section: str,
    other_outputs: dict[str, set[str]],
) -> str | None:
    body = declared.get((name, parts[0]))
    if body is None:
        return f"no such {section}"
    indexed = len(parts) > 1 and parts[1].startswith("[")
    if name == "terraform_remote_state":
        return None
    if len(parts) > 1 and indexed != ("count" in body or "for_each" in body):
        return "an index is missing" if not indexed else "an index is given, but there is only one"
    rest = parts[2:] if indexed else parts[1:]
    found = kind(name, section)
    if rest and found and rest[0] not in found.attributes | set(found.block.arguments):
        return f"{name} has no attribute {rest[0]}"
    return None


def _bodies(folder: Folder) -> Iterator[tuple[str, Any]]:
    for (name, label), body in [*folder.resources.items(), *folder.data.items()]:
        yield f"{name}.{label}", body
    for name, body in folder.providers:
        yield f"provider {name}", body
    for name, body in folder.outputs.items():
        yield f"output {name}", body
    for name, body in folder.variables.items():
        yield f"variable {name}", body.get("validation")
    for name, body in folder.locals.items():
        yield f"local {name}", body


def _dynamics(value: Any) -> Iterator[Body]:
    if isinstance(value, dict):
        yield from value.get("dynamic", [])
        for item in value.values():
            yield from _dynamics(item)
    elif isinstance(value, list):
        for item in value:
            yield from _dynamics(item)


# --- the folder as a whole -------------------------------------------------------------------------------------------


def _unused(folder: Folder) -> Iterator[str]:
    used = {(r.root, r.parts[0]) for where, body in _bodies(folder) for r in references(body) if "variable" not in where}
    for name in folder.variables:
        if ("var", name) not in used:
            yield f"variable {name}: nothing uses it"
    for name in folder.locals:
        if ("local", name) not in used:
            yield f"local {name}: nothing uses it"


def _versions(folder: Folder) -> Iterator[str]:
    required = {name: body for block in folder.terraform.get("required_providers", []) for name, body in block.items()}
    for name in {kind_name.partition("_")[0] for kind_name, _ in [*folder.resources, *folder.data]} - {"terraform"}:
        if name not in required:
            yield f"required_providers doesn't name {name}"
