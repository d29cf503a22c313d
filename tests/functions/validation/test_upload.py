"""The function's validation: the contract's loop with the fast path, which only large files need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_importing_the_validation_does_not_load_the_fast_path() -> None:
    """Small files don't need it, so it must not slow down a cold start."""
    heavy = "{'re2', 'numpy', 'pyarrow', 'click', 'rich'}"
    code = f"import sys, functions.validation.upload; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
