"""python -m infra.dashboards: writes the bundle's dashboard and alerts (part of `make contracts`)."""

from __future__ import annotations

import json
from pathlib import Path

from infra.dashboards.alerts import bundle_file
from infra.dashboards.lakeview import dashboard
from spark_jobs.contract.feeds import FEEDS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = Path("infra/databricks/src/order_tracking.lvdash.json")
ALERTS = Path("infra/databricks/resources/alerts.yml")


def documents() -> dict[Path, str]:
    """What the generated files must contain, by their path below the repository's root."""
    return {
        DASHBOARD: json.dumps(dashboard(FEEDS.values()), indent=2, ensure_ascii=False) + "\n",
        ALERTS: bundle_file(FEEDS.values()),
    }


def write(root: Path = ROOT) -> list[Path]:
    """Write what differs. Returns the paths that changed."""
    changed = [
        path for path, text in documents().items() if not (root / path).is_file() or (root / path).read_text() != text
    ]
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(documents()[path])
    return changed


if __name__ == "__main__":
    print("\n".join(map(str, write())) or "everything is current")
