"""`python -m infra.deploy COMMAND`: deploy, compare, roll back and remove an installation."""

from __future__ import annotations

import json
import shlex

import click

from infra.deploy import check as checking
from infra.deploy import steps
from infra.deploy.settings import SettingsError, read
from infra.deploy.shell import CommandFailed

_YES = click.option("--yes", is_flag=True, help="Apply changes without asking (for CI).")


@click.group()
def main() -> None:
    """Deploy to Google Cloud and Databricks. All values are in infra/deploy/settings.env; see docs/deploy.md."""


@main.command()
def check() -> None:
    """Check tools, settings and logins. Creates nothing."""
    problems = checking.report(list(checking.findings()))
    if problems:
        raise SystemExit(f"{problems} to fix")


@main.command()
@_YES
def foundation(yes: bool) -> None:
    """Step 1: deploy bucket, topics, identities and credentials."""
    steps.foundation(read(), yes)


@main.command()
def bundle() -> None:
    """Step 2: deploy the wheel and the jobs."""
    steps.bundle(read())


@main.command()
@_YES
@click.option("--with-gcloud", is_flag=True, help="Without Terraform, and without metrics and alerts.")
def function(yes: bool, with_gcloud: bool) -> None:
    """Step 3: deploy the functions, their triggers and alerts."""
    if with_gcloud:
        steps.function_with_gcloud(read())
    else:
        steps.function(read(), yes)


@main.command("all")
@_YES
def everything(yes: bool) -> None:
    """Run all three steps. The job comes before the function, so that it knows every parameter that the function sends."""
    settings = read()
    steps.foundation(settings, yes)
    steps.bundle(settings)
    steps.function(settings, yes)


@main.command()
def outputs() -> None:
    """Print the results of step 1 as JSON."""
    print(json.dumps(steps.outputs(read()), indent=2))


@main.command("settings")
def show_settings() -> None:
    """Print all settings, also those that are derived, as lines for a shell."""
    for name, value in read().items():
        print(f"{name}={shlex.quote(value)}")


@main.command()
@click.argument("steps_to_compare", metavar="[foundation|bundle|function]...", nargs=-1)
def diff(steps_to_compare: tuple[str, ...]) -> None:
    """Show how what is deployed differs from this tree. Exits with 2 if anything does."""
    every = ("foundation", "bundle", "function")
    if unknown := set(steps_to_compare) - set(every):
        raise click.UsageError(f"unknown steps: {', '.join(sorted(unknown))}; the steps are {', '.join(every)}")
    if differ := steps.differences(read(), steps_to_compare or every):
        print(f"differs from this tree: {', '.join(differ)}")
        raise SystemExit(2)
    print("nothing differs from this tree")


@main.command()
@_YES
@click.argument("commit")
def rollback(yes: bool, commit: str) -> None:
    """Deploy the job and the function of an earlier COMMIT, without tests."""
    steps.rollback(read(), commit, yes)


@main.command()
@_YES
def destroy(yes: bool) -> None:
    """Remove the installation; files and tables stay."""
    steps.destroy(read(), yes)


if __name__ == "__main__":
    try:
        main()
    except (CommandFailed, SettingsError) as error:
        raise SystemExit(f"error: {error}") from None
