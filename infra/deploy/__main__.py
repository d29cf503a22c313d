"""`python -m infra.deploy COMMAND`; `--help` lists the commands."""

from __future__ import annotations

import shlex

import click

from infra.deploy import check as checking
from infra.deploy import drift, removal, steps
from infra.deploy.gcloud_function import function_with_gcloud
from infra.deploy.rollback import rollback as roll_back
from infra.deploy.settings import SettingsError, read
from infra.deploy.shell import CommandFailed, run
from infra.local.jobs.locking import try_lock

_YES = click.option("--yes", is_flag=True, help="Apply changes without asking (for CI).")
_WITH_GCLOUD = click.option("--with-gcloud", is_flag=True, help="Without Terraform, and without metrics and alerts.")
_READ_ONLY = ("check", "settings")
# What follows belongs to the other program, its options included.
_PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
_WITH_VARIABLES = ("apply", "console", "destroy", "import", "plan", "refresh")
_ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Deploy to Google Cloud and Databricks. All values are in infra/deploy/settings.env; see docs/deploy.md."""
    if context.invoked_subcommand in _READ_ONLY:
        return
    lock = try_lock(steps.WORK / "lock")
    if lock is None:
        raise CommandFailed("another deployment runs in this clone; wait for it, since all write the same files")
    context.call_on_close(lock.close)


@main.command()
def check() -> None:
    """Check tools, settings and logins. Creates nothing."""
    problems = checking.report(list(checking.findings()))
    if problems:
        raise SystemExit(f"{problems} to fix")


@main.command("settings")
def print_settings() -> None:
    """Print all settings, defaults included, as shell assignments: eval "$(python -m infra.deploy settings)"."""
    for name, value in read().items():
        click.echo(f"{name}={shlex.quote(value)}")


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
@_WITH_GCLOUD
def function(yes: bool, with_gcloud: bool) -> None:
    """Step 3: deploy the functions, their triggers and alerts."""
    if with_gcloud:
        function_with_gcloud(read())
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
@click.argument("names", nargs=-1, type=click.Choice(drift.STEPS), metavar="[STEP]...")
@click.pass_context
def diff(context: click.Context, names: tuple[str, ...]) -> None:
    """Show what a deployment would change; of all steps, or of those that are named. Exit status 2 if anything differs."""
    differing = drift.differing_steps(read(), names or drift.STEPS)
    click.echo(f"A deployment would change: {', '.join(differing)}" if differing else "Nothing differs.", err=True)
    context.exit(2 if differing else 0)


@main.command()
@_YES
@_WITH_GCLOUD
@click.argument("commit")
def rollback(commit: str, yes: bool, with_gcloud: bool) -> None:
    """Deploy the jobs and functions of an earlier commit, without tests."""
    roll_back(read(), commit, yes, with_gcloud)


@main.command()
@_YES
def destroy(yes: bool) -> None:
    """Remove the installation, except its files, tables and Terraform's states."""
    settings = read()
    click.echo(removal.kept(settings), err=True)
    name = settings["INSTALLATION"]
    if not yes and click.prompt(f"Enter {name} to remove this installation", default="", err=True) != name:
        raise CommandFailed("nothing was removed")
    removal.destroy(settings)
    click.echo(f"Removed.\n{removal.kept(settings)}", err=True)


@main.command(context_settings=_PASSED_ON)
@click.argument("step", type=click.Choice(("foundation", "function")))
@_ARGUMENTS
def terraform(step: str, arguments: tuple[str, ...]) -> None:
    """Run a Terraform command on the state of a step, with its variables: terraform foundation output."""
    settings = read()
    steps.terraform_init(step, settings, quiet=True)
    env = steps.terraform_environment(step, settings)
    if arguments[:1] and arguments[0] in _WITH_VARIABLES:
        file = steps.variables_file(step, settings)
        env[f"TF_CLI_ARGS_{arguments[0]}"] = shlex.quote(f"-var-file={file}")
    run(*steps.terraform_command(step), *arguments, env=env)


@main.command(context_settings=_PASSED_ON)
@_ARGUMENTS
def databricks(arguments: tuple[str, ...]) -> None:
    """Run a command of the Databricks CLI on the deployed bundle: databricks bundle summary."""
    settings = read()
    env = steps.write_bundle_variables(settings, steps.foundation_outputs(settings))
    run("databricks", *arguments, cwd=steps.BUNDLE, env=env)


if __name__ == "__main__":
    try:
        main()
    except (CommandFailed, SettingsError) as error:
        raise SystemExit(f"error: {error}") from None
