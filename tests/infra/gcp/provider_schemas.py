"""The providers' own schemas, read from the typed Python that is generated from them (cdktn-provider-*).

The wheels lie in .cache/provider-schemas as downloaded; their modules are parsed with `ast`, one per resource type.
`python -m tests.infra.gcp.provider_schemas` downloads them ahead of the tests.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.local.jobs.locking import locked

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "provider-schemas"
REQUIREMENTS = Path(__file__).with_name("provider-schemas.txt")

# Meta-arguments of every resource; cdktn lists some of them among the arguments.
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


@dataclass(frozen=True)
class Argument:
    """`block`: the schema of the contents. `written_as_block`: `name { }`, not `name = { }`."""

    required: bool
    block: Block | None
    written_as_block: bool
    allowed: frozenset[str]


@dataclass(frozen=True)
class Block:
    arguments: dict[str, Argument]


@dataclass(frozen=True)
class Kind:
    """A resource type, data source or provider. `attributes`: the readable attributes."""

    block: Block
    attributes: frozenset[str]


def ensure_downloaded() -> None:
    pins = re.findall(r"^([\w-]+)==([\w.]+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / ".lock"):
        if all((CACHE / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").is_file() for name, version in pins):
            return
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--dest", str(CACHE), "-r", str(REQUIREMENTS)], check=True)


@cache
def _wheel(provider: str) -> zipfile.ZipFile:
    ensure_downloaded()
    version = re.search(rf"^cdktn-provider-{provider}==([\w.]+)$", REQUIREMENTS.read_text(), re.MULTILINE)
    assert version, f"{REQUIREMENTS} pins no cdktn-provider-{provider}"
    return zipfile.ZipFile(CACHE / f"cdktn_provider_{provider}-{version[1]}-py3-none-any.whl")


def provider_version(provider: str) -> str:
    """The version of the Terraform provider that the schemas were generated from."""
    text = _wheel(provider).read(f"cdktn_provider_{provider}/__init__.py").decode()
    found = re.search(r"provider version ([\d.]+)", text) or re.search(r"/providers/[\w-]+/[\w-]+/([\d.]+)/", text)
    assert found, f"cdktn-provider-{provider} does not name the provider version that it was generated from"
    return found[1]


@cache
def kind(terraform_type: str, section: str = "resource") -> Kind | None:
    """Schema of a type such as `google_storage_bucket`; `section`: resource, data or provider. None: no such type."""
    provider, _, rest = terraform_type.partition("_")
    module = {"resource": rest, "data": f"data_{provider}_{rest}", "provider": "provider"}[section]
    try:
        source = _wheel(provider).read(f"cdktn_provider_{provider}/{module}/__init__.py")
    except (KeyError, FileNotFoundError):
        return None
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    config = next(name for name, node in classes.items() if name.endswith("Config") and _is_meta(node, section))
    main = classes[config.removesuffix("Config")]
    return Kind(_block(classes, config), frozenset(_properties(main)))


def _is_meta(node: ast.ClassDef, section: str) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return section == "provider" or any(base.endswith("TerraformMetaArguments") for base in bases)


def _block(classes: dict[str, ast.ClassDef], name: str) -> Block:
    init = next(
        (node for node in classes[name].body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None
    )
    if init is None:
        return Block({})
    documentation = _parameter_lines(ast.get_docstring(init) or "")
    arguments = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if argument.arg in META:
            continue
        said = documentation.get(argument.arg, "")
        inner = re.findall(r"\w+", ast.unparse(argument.annotation) if argument.annotation else "")
        nested = next((word for word in inner if word in classes), None)
        values = re.search(r"Possible values: \[([^\]]*)\]", said)
        terraform_name = argument.arg.rstrip("_")
        arguments[terraform_name] = Argument(
            required=default is None,
            block=_block(classes, nested) if nested else None,
            written_as_block=said.startswith(f"{argument.arg} block."),
            allowed=frozenset(re.findall(r'"([^"]*)"', values[1])) if values else frozenset(),
        )
    return Block(arguments)


def _parameter_lines(docstring: str) -> dict[str, str]:
    return dict(re.findall(r":param (\w+): (.*?)(?=\n\s*:param |\Z)", docstring, re.DOTALL))


def _properties(node: ast.ClassDef) -> set[str]:
    functions = (item for item in node.body if isinstance(item, ast.FunctionDef))
    names = {f.name.rstrip("_") for f in functions if any("property" in ast.unparse(d) for d in f.decorator_list)}
    return {name for name in names if not name.endswith("_input") and name != "TF_RESOURCE_TYPE"}


if __name__ == "__main__":
    ensure_downloaded()
    print(CACHE)
