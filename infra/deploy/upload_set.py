"""The function's upload: the files that .gcloudignore lets through, and a zip of them.

Terraform uses the zip; gcloud reads .gcloudignore itself. A test checks that this module and git select the same files.
"""

from __future__ import annotations

import re
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FORMS = re.compile(r"\*|!?(/[\w.-]+)+|!(/[\w.-]+)*/|!?(/[\w.-]+)*/\*\.\w+")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class UploadSetError(ValueError):
    """.gcloudignore has a line in an unsupported form; the message contains the line."""


def upload_set(root: Path = ROOT) -> list[Path]:
    """The relative paths, sorted. The last matching line decides, as in .gitignore."""
    rules = _rules((root / ".gcloudignore").read_text())
    return sorted(_walk(root, root, rules))


def _rules(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines()]
    rules = [line for line in lines if line and not line.startswith("#")]
    for rule in rules:
        if not _FORMS.fullmatch(rule):
            raise UploadSetError(f".gcloudignore: {rule!r} is not one of the forms listed at the top of the file")
    return rules


def _walk(folder: Path, root: Path, rules: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in folder.iterdir():
        name = "/" + path.relative_to(root).as_posix()
        if path.is_symlink() or not _let_through(name, path.is_dir(), rules):
            continue
        found += _walk(path, root, rules) if path.is_dir() else [path.relative_to(root)]
    return found


def _let_through(name: str, is_folder: bool, rules: list[str]) -> bool:
    through = True
    for rule in rules:
        wanted, pattern = rule.startswith("!"), rule.removeprefix("!")
        if pattern.endswith("/"):
            matches = is_folder and name == pattern.rstrip("/")
        elif "*" in pattern and pattern != "*":
            matches = fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")
        else:
            matches = pattern in {"*", name}
        if matches:
            through = wanted
    return through


def write_zip(target: Path, root: Path = ROOT) -> Path:
    """Write the zip. The same files give the same bytes, so that Terraform redeploys only after changes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in upload_set(root):
            entry = zipfile.ZipInfo(path.as_posix(), _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / path).read_bytes())
    return target
