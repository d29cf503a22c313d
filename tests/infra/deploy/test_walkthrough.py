"""docs/deploy.md, followed literally: from a clone to the end of step 3, for two installations, and on to their removal.

Its commands run in bash, with make and git, against programs that keep a state and answer like the real ones.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra.deploy import stand_in_programs
from tests.infra.deploy.clones import ROOT, clone, commit, git

pytestmark = pytest.mark.e2e
PAGE = (ROOT / "docs" / "deploy.md").read_text()
ANSWERS = {
    "PROJECT_ID": "orders-prod",
    "DATABRICKS_HOST": "https://123.4.gcp.databricks.com",
    "DATABRICKS_ACCOUNT_ID": "01234567-89ab-cdef-0123-456789abcdef",
    "DATABRICKS_WORKSPACE_ID": "123",
    "CATALOG": "main",
    "ALERT_EMAIL": "ops@example.com",
}
"""All that step 1 of the page tells people to fill in; REGION has a value in the example."""
STATES = "orders-prod-terraform-state"

# The page's $EDITOR: fills in what ANSWERS has, like somebody who reads the comments.
EDITOR = """#!{python}
import json, os, re, sys
from pathlib import Path
file, answers = Path(sys.argv[1]), json.loads(os.environ["ANSWERS"])
text = file.read_text()
for name, value in answers.items():
    text, found = re.subn(rf"(?m)^{{name}}=.*$", lambda _: f"{{name}}={{value}}", text)
    assert found == 1, name
file.write_text(text)
"""
# The page's `make setup`, without installing anything, and the environment that it makes, without the tests.
SET_UP = """#!/bin/sh
[ "$*" = "-m infra.local.setup" ] || exit 64
mkdir -p .venv/bin
cp "{here}/environment-python" .venv/bin/python
touch .venv/.ready
"""
ENVIRONMENT_PYTHON = """#!/bin/sh
case "$*" in
  "-m tests.side_by_side test") echo "all tests" >> "$TESTS_THAT_RAN" ;;
  *) exec {python} "$@" ;;
esac
"""


def blocks(heading: str, until: str = r"^##") -> list[str]:
    """The commands below a heading, in order, up to the next heading or the given text."""
    _, _, rest = PAGE.partition(f"\n{heading}\n")
    assert rest, heading
    section = re.split(until, rest, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@dataclass
class Person:
    """Somebody with a clone and a terminal. `cloud` is what everybody shares."""

    folder: Path
    machine: Path
    cloud_file: Path

    def __post_init__(self) -> None:
        programs = self.machine / "bin"
        programs.mkdir(parents=True)
        for name in ("gcloud", "terraform", "databricks"):
            self._program(programs / name, f'#!/bin/sh\nexec {sys.executable} {stand_in_programs.__file__} {name} "$@"\n')
        self._program(programs / "editor", EDITOR.format(python=sys.executable))
        self._program(programs / "python3", SET_UP.format(here=self.machine))
        self._program(self.machine / "environment-python", ENVIRONMENT_PYTHON.format(python=sys.executable))
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(self.machine),
            "EDITOR": "editor",
            "STAND_IN_CLOUD": str(self.cloud_file),
            "TESTS_THAT_RAN": str(self.machine / "tests"),
        }

    def _program(self, file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)

    def types(
        self, command: str, answers: dict[str, str] | None = None, status: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a block of the page in bash; Terraform's questions are answered with yes."""
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=self.folder,
            env={**self.environment, "ANSWERS": json.dumps(answers or {}), **environment},
            input="yes\n" * 10,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def deploy(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.types(" ".join((".venv/bin/python -m infra.deploy", *arguments)), **options)

    def has_set_up(self) -> Person:
        self.types("make setup")
        return self

    @property
    def cloud(self) -> dict[str, Any]:
        return dict(json.loads(self.cloud_file.read_text()))


def check_until_nothing_is_left(person: Person, **environment: str) -> list[str]:
    """Step 3 of the page: do what the check says until it says nothing more. Returns the commands."""
    (command,) = [block for block in blocks("## Deployment") if "deploy-check" in block]
    followed: list[str] = []
    for _ in range(5):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=person.folder,
            env={**person.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        fixes = re.findall(r"^ +-> (.*)$", done.stdout, re.MULTILINE)
        if done.returncode == 0:
            return followed
        assert fixes, done.stdout + done.stderr
        for fix in fixes:
            person.types(fix)
        followed += fixes
    pytest.fail(f"the check is never content: {followed}")


def install_first(person: Person) -> None:
    """Steps 1 to 4 of the page."""
    fill_in, log_in, check, deploy, *_ = blocks("## Deployment", until=r"^If different people")
    assert ["make setup" in fill_in, "auth login" in log_in, "deploy-check" in check, "make deploy" in deploy] == [True] * 4
    person.types(fill_in, ANSWERS)
    person.types(log_in)
    assert check_until_nothing_is_left(person) == [
        "gcloud services enable cloudresourcemanager.googleapis.com serviceusage.googleapis.com --project=orders-prod",
        f"gcloud storage buckets create gs://{STATES} --project=orders-prod --location=europe-west1"
        " --uniform-bucket-level-access --public-access-prevention",
    ]
    person.types(deploy)


def install_second(person: Person) -> None:
    (commands,) = blocks("### A second installation")
    person.types(commands, {"INSTALLATION": "orders-staging"})


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Person, dict[str, Any]]:
    """Who has installed both, and the cloud afterwards."""
    folder = tmp_path_factory.mktemp("walkthrough")
    (folder / "cloud.json").write_text(json.dumps(stand_in_programs.new_cloud("orders-prod")))
    person = Person(clone(folder / "clone"), folder / "machine", folder / "cloud.json")
    install_first(person)
    install_second(person)
    return person, person.cloud


@pytest.fixture
def later(both: tuple[Person, dict[str, Any]], tmp_path: Path) -> Person:
    """Somebody else, with a fresh clone and the settings, after both were installed. Changes nothing of `both`."""
    first, _ = both
    cloud = tmp_path / "cloud.json"
    cloud.write_text(json.dumps(both[1]))
    git(tmp_path, "clone", "--quiet", str(first.folder), "clone")
    person = Person(tmp_path / "clone", tmp_path / "machine", cloud).has_set_up()
    for name in ("settings.env", "staging.env"):
        shutil.copy(first.folder / "infra/deploy" / name, person.folder / "infra/deploy" / name)
    return person


STAGING = {"SETTINGS_FILE": "infra/deploy/staging.env"}


def test_both_installations_are_complete_and_apart(both: tuple[Person, dict[str, Any]]) -> None:
    person, cloud = both
    names = ("order-tracking", "orders-staging")
    assert set(cloud["states"]) == {f"{STATES}/{name}/{step}" for name in names for step in ("foundation", "function")}
    assert {path for path in cloud["folders"] if path.count("/") == 2} == {f"/Workspace/{name}" for name in names}
    assert set(cloud["schemas"]) == {"main.order_tracking", "main.orders_staging"}
    assert sorted(job["name"] for job in cloud["jobs"].values()) == [
        *("order-tracking-ingest", "order-tracking-maintenance", "orders-staging-ingest", "orders-staging-maintenance"),
    ]
    for name in names:
        started = cloud["states"][f"{STATES}/{name}/function"]["variables"]["job_id"]
        assert cloud["jobs"][started]["name"] == f"{name}-ingest"
        assert cloud["jobs"][started]["wheel"].startswith(f"/Workspace/{name}/wheels/order_tracking-")
        assert cloud["jobs"][started]["run_as"] == {"service_principal_name": f"{name}-job-id"}
    assert (person.machine / "tests").read_text().splitlines() == ["all tests", "all tests"]


def test_the_logins_are_billed_to_the_project_and_the_first_deployer_is_who_was_logged_in(
    both: tuple[Person, dict[str, Any]],
) -> None:
    cloud = both[1]
    assert cloud["quota_project"] == "orders-prod", "application-default login remembers the project that was set before"
    for name in ("order-tracking", "orders-staging"):
        variables = cloud["states"][f"{STATES}/{name}/foundation"]["variables"]
        assert variables["deployers"] == ["users/ann@example.com"]


def test_the_tree_has_nothing_new_but_the_lock_files(both: tuple[Person, dict[str, Any]]) -> None:
    assert sorted(git(both[0].folder, "status", "--porcelain").split()[1::2]) == [
        *("infra/gcp/foundation/.terraform.lock.hcl", "infra/gcp/function/.terraform.lock.hcl"),
    ]


def test_nothing_differs_after_a_deployment_also_in_a_fresh_clone(later: Person) -> None:
    for environment in ({}, STAGING):
        assert "Nothing differs" in later.types("make deploy-diff", **environment).stderr
    (later.folder / "functions/handler.py").write_text("# changed\n")
    (later.folder / "spark_jobs/cli.py").write_text("# changed\n")
    assert "would change: bundle, function" in later.deploy("diff", status=2).stderr


@pytest.mark.parametrize(
    "commands",
    [
        ["function --yes"],
        ["databricks bundle summary"],
        ["terraform foundation output -raw deployer_principal", "terraform function state pull"],
        ["bundle", "function --yes"],
    ],
    ids=lambda commands: commands[0],
)
def test_single_commands_work_from_a_fresh_clone_on_either_installation(later: Person, commands: list[str]) -> None:
    before = later.cloud
    for environment in ({}, STAGING, {}):
        for command in commands:
            later.deploy(command, **environment)
    for kept in ("states", "jobs", "schemas", "taken"):
        assert later.cloud[kept] == before[kept], kept


def test_the_steps_of_the_page_can_be_run_one_at_a_time(later: Person) -> None:
    (steps,) = [block for block in blocks("## Deployment") if "-m infra.deploy foundation" in block]
    before = later.cloud
    later.types(steps)
    assert later.cloud["jobs"] == before["jobs"]


def test_an_upgrade_keeps_the_wheel_that_runs_may_still_install_and_a_rollback_returns_to_it(later: Person) -> None:
    old_commit = git(later.folder, "rev-parse", "HEAD")
    job_id = later.cloud["states"][f"{STATES}/order-tracking/function"]["variables"]["job_id"]
    old_wheel = later.cloud["jobs"][job_id]["wheel"]
    old_zip = later.cloud["states"][f"{STATES}/order-tracking/function"]["variables"]["zip"]
    (later.folder / "spark_jobs/cli.py").write_text("# the new release\n")
    (later.folder / "functions/handler.py").write_text("# the new release\n")
    new_commit = commit(later.folder, "the new release")
    done = later.types("make deploy SKIP_TESTS=1")
    assert "SKIP_TESTS=1: deploying without having run the tests" in done.stdout
    assert not (later.machine / "tests").exists()
    new_wheel = later.cloud["jobs"][job_id]["wheel"]
    assert f"+g{new_commit[:12]}-" in new_wheel
    assert {old_wheel, new_wheel} <= set(later.cloud["files"])

    (command,) = blocks("## Rolling back")
    done = later.types(command.replace("COMMIT", old_commit))
    assert "Rolling back to" in done.stderr
    assert later.cloud["jobs"][job_id]["wheel"] == old_wheel
    assert "import-dir" not in done.stderr, "it is still there"
    state = later.cloud["states"][f"{STATES}/order-tracking/function"]
    assert state["variables"]["zip"] == old_zip
    assert git(later.folder, "rev-parse", "HEAD") == new_commit
    assert not (later.machine / "tests").exists()


def test_removing_one_installation_keeps_its_data_and_the_other_installation(later: Person) -> None:
    before = later.cloud
    done = later.deploy("destroy --yes")
    assert f"gcloud storage rm --recursive gs://{STATES}/order-tracking/" in done.stderr
    after = later.cloud
    assert after["schemas"] == before["schemas"]
    assert [job["name"] for job in after["jobs"].values()] == ["orders-staging-ingest", "orders-staging-maintenance"]
    assert "/Workspace/order-tracking" not in after["folders"]
    for step in ("foundation", "function"):
        assert after["states"][f"{STATES}/order-tracking/{step}"] == {}
        assert after["states"][f"{STATES}/orders-staging/{step}"] == before["states"][f"{STATES}/orders-staging/{step}"]
    later.deploy("destroy --yes")
    assert "Nothing differs" in later.deploy("diff", **STAGING).stderr


def test_destroy_asks_for_the_name(later: Person) -> None:
    (command,) = blocks("## Removing an installation")[:1]
    before = later.cloud["states"]
    done = later.types(command, status=2)
    assert "nothing was removed" in done.stderr
    assert later.cloud["states"] == before


def test_hostile_values_reach_no_shell(later: Person) -> None:
    touched = later.folder / "touched"
    done = later.types("make rollback TO='$$(touch touched); touch touched'", status=2)
    assert "is not a commit of this clone" in done.stderr
    settings = later.folder / "infra/deploy/settings.env"
    settings.write_text(settings.read_text().replace("READERS=", "READERS=x'; touch touched; $(touch touched)"))
    later.types('eval "$(.venv/bin/python -m infra.deploy settings)"')
    assert not touched.exists()


def test_two_deployments_in_one_clone_wait_for_each_other(later: Person) -> None:
    """They would write the same file of variables."""
    later.deploy("databricks bundle summary")
    lock = later.folder / ".data/deploy/lock"
    assert lock.is_file()
    done = later.types(f"flock {lock} .venv/bin/python -m infra.deploy bundle", status=1)
    assert done.stderr.startswith("error: another deployment runs in this clone")
