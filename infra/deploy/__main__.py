"""`python -m infra.deploy check | foundation | bundle | function | all | values`."""

from __future__ import annotations

import shlex

import click

from infra.deploy import check as checking
from infra.deploy import steps
from infra.deploy.gcloud_values import gcloud_values
from infra.deploy.settings import Settings, SettingsError, read
from infra.deploy.shell import CommandFailed, Shell

_YES = click.option("--yes", is_flag=True, help="Don't ask before changing anything (CI).")


@click.group()
def main() -> None:
    """Deploys to Google Cloud and Databricks; every value is in infra/deploy/settings.env. See docs/deploy.md."""


@main.command()
def check() -> None:
    """Say what is set and what is missing. Creates nothing."""
    wrong = checking.report(list(checking.findings(Shell())))
    if wrong:
        raise SystemExit(f"{wrong} to mend")


@main.command()
@_YES
def foundation(yes: bool) -> None:
    """Step 1: bucket, topics, identities, credentials."""
    steps.foundation(_settings(), Shell(), yes)


@main.command()
def bundle() -> None:
    """Step 2: the wheel and the jobs."""
    steps.bundle(_settings(), Shell())


@main.command()
@_YES
def function(yes: bool) -> None:
    """Step 3: the functions, their triggers and alerts."""
    steps.function(_settings(), Shell(), yes)


@main.command("all")
@_YES
def everything(yes: bool) -> None:
    """All three steps: the job before the function, so that no run is asked for what its job doesn't know."""
    settings, shell = _settings(), Shell()
    steps.foundation(settings, shell, yes)
    steps.bundle(settings, shell)
    steps.function(settings, shell, yes)


@main.command()
def values() -> None:
    """Print what function_with_gcloud.sh needs, as shell variables."""
    for name, value in gcloud_values(_settings(), Shell()).items():
        print(f"{name}={shlex.quote(value)}")


def _settings() -> Settings:
    return read()


if __name__ == "__main__":
    try:
        main()
    except (CommandFailed, SettingsError) as error:
        raise SystemExit(f"error: {error}") from None
