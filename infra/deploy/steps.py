"""The three deployment steps, and what undoes or compares them. Each needs the outputs of the previous one; all are
idempotent."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from time import sleep
from typing import Any

from infra.deploy import wheel
from infra.deploy.settings import FILE, FOLDER, Settings
from infra.deploy.shell import ROOT, CommandFailed, ask, ask_json, run
from infra.deploy.upload_set import write_zip

WORK = ROOT / ".data" / "deploy"
"""Generated files, by installation: variables, Terraform's working data, the function's zip. They contain no secrets."""
EXPORTED_OUTPUTS = FOLDER / "foundation.json"
"""The output of `terraform output -json` after step 1, for machines that may not read Terraform's state."""
BUNDLE = ROOT / "infra" / "databricks"
INGEST_JOB = "order_tracking_ingest"
RETRIES = 5
RETRY_SECONDS = 60.0
# What Google and Databricks say in the minutes after something was created, until all of their servers know of it.
NOT_YET = re.compile(
    r"Permission denied while using the Eventarc Service Agent|Cannot find metric that matches type|"
    r"has not been used in project \S+ before or it is disabled|Service account \S+ does not exist|"
    r"does not have (?:permission|storage\.\S+ access)|Principal \S+ does not exist",
)
_PLAN = re.compile(r"Plan: (\d+) to add, (\d+) to change, (\d+) to delete")


def foundation(settings: Settings, yes: bool) -> None:
    """Deploy bucket, topics, identities and credentials."""
    _apply("foundation", settings, settings.foundation_variables(deployers(settings)), yes)


def bundle(settings: Settings) -> None:
    """Upload the wheel and deploy the jobs."""
    of_version = wheel.version()
    path = write_overrides(settings, of_version)
    environment = databricks(settings)
    wheel.upload(path, of_version, environment)
    for verb in ("validate", "deploy"):
        run("databricks", "bundle", verb, *_target(settings), cwd=BUNDLE, env=environment)
    wheel.prune(path, environment)


def function(settings: Settings, yes: bool) -> None:
    """Deploy both functions, their triggers, metrics and alerts."""
    _apply("function", settings, _function_variables(settings, _deployed_job_id(settings)), yes)


def deployers(settings: Settings) -> list[str]:
    """DEPLOYERS, or who is logged in to the workspace. Raises CommandFailed."""
    return settings.listed("DEPLOYERS") or [logged_in(settings)]


def logged_in(settings: Settings) -> str:
    """users/NAME or servicePrincipals/ID. Raises CommandFailed."""
    name = ask_json("databricks", "current-user", "me", "--output=json", env=databricks(settings)).get("userName", "")
    return f"users/{name}" if "@" in name else f"servicePrincipals/{name}"


def rollback(settings: Settings, commit: str, yes: bool) -> None:
    """Deploy steps 2 and 3 of an earlier commit, with that commit's own code and the present settings, without tests."""
    found = ask("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
    tree = _work(settings) / "rollback"
    shutil.rmtree(tree, ignore_errors=True)
    ask("git", "worktree", "prune")
    ask("git", "worktree", "add", "--detach", "--force", str(tree), found)
    try:
        if not (tree / "infra" / "deploy" / "wheel.py").is_file():
            raise CommandFailed(f"{commit} can't be rolled back to: its wheel has no version of its own; use git checkout")
        if EXPORTED_OUTPUTS.is_file():
            shutil.copy(EXPORTED_OUTPUTS, tree / EXPORTED_OUTPUTS.relative_to(ROOT))
        print(f"rolling back to {found[:8]}: the job, then the function; no tests", file=sys.stderr, flush=True)
        environment = {"SETTINGS_FILE": str(FILE.resolve())}
        for step in (["bundle"], ["function", *(["--yes"] if yes else [])]):
            run(sys.executable, "-m", "infra.deploy", *step, cwd=tree, env=environment)
    finally:
        ask("git", "worktree", "remove", "--force", str(tree))


def differences(settings: Settings, names: tuple[str, ...]) -> list[str]:
    """The steps among ``names`` in which what is deployed differs from this tree and its settings. Changes nothing."""
    differ = []
    for name in names:
        if name == "bundle":
            write_overrides(settings, wheel.version())
            plan = ask("databricks", "bundle", "plan", *_target(settings), cwd=BUNDLE, env=databricks(settings))
            print(plan, flush=True)
            counts = _PLAN.search(plan)
            if counts is None:
                raise CommandFailed(
                    f"`databricks bundle plan` printed no line {_PLAN.pattern!r}; is the CLI 1.12 or newer?"
                )
            changed = any(int(count) for count in counts.groups())
        else:
            foundation_step = name == "foundation"
            file = _write_variables(
                name,
                settings,
                settings.foundation_variables(deployers(settings))
                if foundation_step
                else _function_variables(settings, _deployed_job_id(settings)),
            )
            environment = _terraform_environment(settings, name)
            run(*_terraform(name), *_init(settings, name), env=environment)
            plan_options = ("plan", "-input=false", "-lock=false", "-detailed-exitcode", f"-var-file={file}")
            changed = run(*_terraform(name), *plan_options, env=environment, ok=(0, 2)) == 2
        differ += [name] if changed else []
    return differ


# The files, and a grant that all installations in a project share.
_KEPT = ("google_storage_bucket.files", "google_project_iam_member.storage_publishes")
KEPT = """kept: the bucket gs://{bucket} with all files, the schema {catalog}.{schema} with all tables, Terraform's state in
gs://{state_bucket}. Delete them yourself if you are sure:
  gcloud storage rm --recursive gs://{bucket}
  databricks schemas delete {catalog}.{schema} --force"""


def destroy(settings: Settings, yes: bool) -> None:
    """Remove the function, the jobs and the foundation, in this order; files and tables stay."""
    sure = ["-auto-approve"] if yes else []
    _destroy("function", settings, _function_variables(settings, "1"), sure)
    if _job_id(settings):
        environment = databricks(settings)
        run(
            "databricks",
            "bundle",
            "deployment",
            "unbind",
            "order_tracking",
            *_target(settings),
            cwd=BUNDLE,
            env=environment,
        )
        approve = ["--auto-approve"] if yes else []
        run("databricks", "bundle", "destroy", *_target(settings), *approve, cwd=BUNDLE, env=environment)
    environment = _terraform_environment(settings, "foundation")
    run(*_terraform("foundation"), *_init(settings, "foundation"), env=environment)
    known = ask(*_terraform("foundation"), "state", "list", env=environment).split()
    for address in (one for one in _KEPT if one in known):
        run(*_terraform("foundation"), "state", "rm", address, env=environment)
    _destroy("foundation", settings, settings.foundation_variables(deployers(settings)), sure)
    print(
        KEPT.format(
            bucket=settings["BUCKET"],
            catalog=settings["CATALOG"],
            schema=settings["SCHEMA"],
            state_bucket=settings["STATE_BUCKET"],
        )
    )


def function_with_gcloud(settings: Settings) -> None:
    """Step 3 without Terraform: deploy the same functions with the same settings, but no metrics and alerts."""
    base = foundation_outputs(settings)
    environment = {
        "SOURCE_BUCKET": base["bucket"],
        "SOURCE_PREFIX": base["source_prefix"],
        "ARCHIVE_PREFIX": base["archive_prefix"],
        "REJECTED_PREFIX": base["rejected_prefix"],
        "OUTCOME_TOPIC": base["outcome_topic"],
        "DATABRICKS_JOB_ID": _deployed_job_id(settings),
        "DATABRICKS_HOST": base["databricks_host"],
        "DATABRICKS_CLIENT_ID": base["databricks_client_id"],
        "LAUNCH_WINDOW_SECONDS": settings["LAUNCH_WINDOW_SECONDS"] or "30",
        "MAX_BAD_ROW_RATIO": settings["MAX_BAD_ROW_RATIO"] or "0.1",
        "SWEEP_GRACE_SECONDS": settings["SWEEP_GRACE_SECONDS"] or "600",
        "LOG_EXECUTION_ID": "true",
    }
    if base["federation_audience"]:
        environment["DATABRICKS_FEDERATION_AUDIENCE"] = base["federation_audience"]
    place = ("--quiet", f"--project={base['project_id']}", f"--region={base['region']}")
    options = [
        *place,
        "--gen2",
        "--runtime=python311",
        "--source=.",
        f"--service-account={base['function_account']}",
        f"--trigger-service-account={base['trigger_account']}",
        f"--build-service-account={base['builder_account']}",
        f"--docker-repository={base['image_repository']}",
        "--ingress-settings=internal-only",
        "--no-allow-unauthenticated",
        "--memory=1Gi",
        "--cpu=1",
        "--timeout=540s",
        "--concurrency=1",
        "--set-env-vars=^|^" + "|".join(f"{name}={value}" for name, value in environment.items()),
    ]
    if base["databricks_secret"]:
        options.append(f"--set-secrets=DATABRICKS_CLIENT_SECRET={base['databricks_secret']}:latest")
    finalized = "--trigger-event-filters=type=google.cloud.storage.object.v1.finalized"
    bucket = (f"--trigger-event-filters=bucket={base['bucket']}", f"--trigger-location={base['region']}")
    sweep_topic = base["sweep_topic"].rpartition("/")[2]
    triggers = {
        "intake": (
            "--entry-point=on_object_finalized",
            finalized,
            *bucket,
            "--retry",
            f"--max-instances={settings['MAX_INSTANCES'] or 20}",
        ),
        "sweep": ("--entry-point=on_sweep", f"--trigger-topic={sweep_topic}", "--max-instances=1"),
    }
    # The trigger calls the Cloud Run service behind the function.
    caller = (f"--member=serviceAccount:{base['trigger_account']}", "--role=roles/run.invoker")
    for name, trigger in triggers.items():
        function_name = f"{base['name']}-{name}"
        run("gcloud", "functions", "deploy", function_name, *options, *trigger)
        run("gcloud", "run", "services", "add-iam-policy-binding", function_name, *place, *caller)


def outputs(settings: Settings) -> dict[str, Any]:
    """All outputs of step 1, as `terraform output -json` prints them. Raises CommandFailed if it has not been run."""
    if EXPORTED_OUTPUTS.is_file():
        found: dict[str, Any] = json.loads(EXPORTED_OUTPUTS.read_text())
    else:
        environment = _terraform_environment(settings, "foundation")
        ask(*_terraform("foundation"), *_init(settings, "foundation"), env=environment)
        found = ask_json(*_terraform("foundation"), "output", "-json", env=environment)
    if not found:
        raise CommandFailed("step 1 has no outputs; run it first: python -m infra.deploy foundation")
    return found


def foundation_outputs(settings: Settings) -> dict[str, Any]:
    """The outputs of step 1 for the other steps. Raises CommandFailed if it has not been run."""
    values: dict[str, Any] = outputs(settings)["installation"]["value"]
    return values


def databricks(settings: Settings) -> dict[str, str]:
    """For the Databricks CLI: the workspace, which a bundle can't take from a variable, and a folder for its state."""
    return {"DATABRICKS_HOST": settings["DATABRICKS_HOST"], "DATABRICKS_BUNDLE_TMP": str(_work(settings) / "bundle")}


def write_overrides(settings: Settings, of_version: str) -> str:
    """Write the variables into the CLI's own overrides file, which every one of its bundle commands needs: after this, they
    work by hand as well. Returns the wheel's path in the workspace."""
    base = foundation_outputs(settings)
    path = f"{base['bundle_folder']}/wheels/{wheel.wheel_name(of_version)}"
    variables = settings.bundle_variables(base, path)
    _write_json(BUNDLE / ".databricks" / "bundle" / settings["BUNDLE_TARGET"] / "variable-overrides.json", variables)
    return path


def _target(settings: Settings) -> tuple[str, str]:
    return "--target", settings["BUNDLE_TARGET"]


def _deployed_job_id(settings: Settings) -> str:
    """The id of the ingest job. Raises CommandFailed if the bundle is not deployed."""
    if job_id := _job_id(settings):
        return job_id
    target = settings["BUNDLE_TARGET"]
    raise CommandFailed(f"the bundle target {target} is not deployed; run step 2 first: python -m infra.deploy bundle")


def _job_id(settings: Settings) -> str:
    """The id of the ingest job; empty if the bundle is not deployed."""
    write_overrides(settings, wheel.version())
    command = ("databricks", "bundle", "summary", *_target(settings), "--output", "json")
    summary = ask_json(*command, cwd=BUNDLE, env=databricks(settings))
    return str(summary.get("resources", {}).get("jobs", {}).get(INGEST_JOB, {}).get("id") or "")


def _function_variables(settings: Settings, job_id: str) -> dict[str, Any]:
    return settings.function_variables(job_id, write_zip(_work(settings) / "function.zip"))


def _apply(step: str, settings: Settings, variables: dict[str, Any], yes: bool) -> None:
    """Apply a step; again after a minute while Google or Databricks only need time."""
    file = _write_variables(step, settings, variables)
    environment = _terraform_environment(settings, step)
    run(*_terraform(step), *_init(settings, step), env=environment)
    command = (*_terraform(step), "apply", f"-var-file={file}", *(["-auto-approve"] if yes else []))
    for attempt in range(1, RETRIES + 1):
        try:
            run(*command, env=environment)
        except CommandFailed as error:
            reason = NOT_YET.search(error.errors)
            if reason is None or attempt == RETRIES:
                raise
            again = f"trying again in {RETRY_SECONDS:.0f} s ({attempt} of {RETRIES - 1}); Ctrl-C stops"
            print(
                f"\n{reason[0]!r}: what was just created is not known everywhere yet; {again}", file=sys.stderr, flush=True
            )
            sleep(RETRY_SECONDS)
        else:
            return


def _destroy(step: str, settings: Settings, variables: dict[str, Any], sure: list[str]) -> None:
    file, environment = _write_variables(step, settings, variables), _terraform_environment(settings, step)
    run(*_terraform(step), *_init(settings, step), env=environment)
    run(*_terraform(step), "destroy", f"-var-file={file}", *sure, env=environment)


def _work(settings: Settings) -> Path:
    return WORK / settings["INSTALLATION"]


def _write_variables(step: str, settings: Settings, variables: dict[str, Any]) -> Path:
    file = _work(settings) / f"{step}.tfvars.json"
    _write_json(file, variables)
    return file


def _terraform(step: str) -> tuple[str, str]:
    return "terraform", f"-chdir=infra/gcp/{step}"


def _terraform_environment(settings: Settings, step: str) -> dict[str, str]:
    """Working data of its own for each installation: another state never needs `init -reconfigure`."""
    return {"TF_DATA_DIR": str(_work(settings) / step)}


def _init(settings: Settings, step: str) -> tuple[str, ...]:
    backend = {"bucket": settings["STATE_BUCKET"], "prefix": settings.state_prefix(step)}
    return "init", "-input=false", *(f"-backend-config={name}={value}" for name, value in backend.items())


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n")
