"""The function's upload: the files that .gcloudignore lets through, and a zip of them.

Terraform uses the zip; gcloud reads .gcloudignore itself. Git reads the same syntax, so it selects the files for the zip.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from infra.deploy.shell import ROOT, ask

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def upload_set(root: Path = ROOT) -> list[Path]:
    """The relative paths, sorted, without symbolic links. Raises CommandFailed if git is not installed."""
    with tempfile.TemporaryDirectory() as empty:
        # In an empty repository of its own, every file is untracked and .gcloudignore alone decides.
        git = ("git", f"--git-dir={empty}", f"--work-tree={root}")
        ask(*git, "init", "--quiet")
        listed = ask(*git, "ls-files", "-z", "--others", "--exclude-from=.gcloudignore", cwd=root)
    paths = (Path(name) for name in listed.split("\0") if name)
    return sorted(path for path in paths if not (root / path).is_symlink())


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
