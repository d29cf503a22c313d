"""Permissions, schemas and grants, with the SDK: kept, shown as the platform shows them, invalid ones refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.catalog import PermissionsChange, Privilege
from databricks.sdk.service.iam import AccessControlRequest, ObjectPermissions, PermissionLevel
from databricks.sdk.service.jobs import Task

from infra.local.jobs.login import USER
from tests.jobs_fixtures import RunningJobsServer, StartJobsServer

pytestmark = pytest.mark.servers

OWNER = AccessControlRequest(service_principal_name="deployer", permission_level=PermissionLevel.IS_OWNER)
FUNCTION = AccessControlRequest(service_principal_name="function", permission_level=PermissionLevel.CAN_MANAGE_RUN)
TEAM = AccessControlRequest(group_name="team", permission_level=PermissionLevel.CAN_MANAGE)


def entries(permissions: ObjectPermissions) -> set[tuple[str, str, bool]]:
    return {
        (
            entry.user_name or entry.service_principal_name or entry.group_name or "",
            permission.permission_level.value if permission.permission_level else "",
            bool(permission.inherited),
        )
        for entry in permissions.access_control_list or []
        for permission in entry.all_permissions or []
    }


def test_a_jobs_permissions_are_its_creators_until_they_are_set(jobs_server: RunningJobsServer) -> None:
    client = jobs_server.client()
    job_id = str(client.jobs.create(name="x", tasks=[Task(task_key="a")]).job_id)
    assert entries(client.permissions.get("jobs", job_id)) == {(USER, "IS_OWNER", False)}
    made = client.permissions.set("jobs", job_id, access_control_list=[OWNER, FUNCTION])
    assert (made.object_id, made.object_type) == (f"/jobs/{job_id}", "job")
    assert entries(made) == {("deployer", "IS_OWNER", False), ("function", "CAN_MANAGE_RUN", False)}
    changed = AccessControlRequest(service_principal_name="function", permission_level=PermissionLevel.CAN_VIEW)
    client.permissions.update("jobs", job_id, access_control_list=[changed, TEAM])
    expected = {("deployer", "IS_OWNER", False), ("function", "CAN_VIEW", False), ("team", "CAN_MANAGE", False)}
    assert entries(client.permissions.get("jobs", job_id)) == expected


def test_a_folder_inherits_and_the_permissions_survive_a_restart(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    client = server.client()
    client.workspace.mkdirs("/Workspace/orders/prod")
    outer, inner = (str(client.workspace.get_status(f"/Workspace/{path}").object_id) for path in ("orders", "orders/prod"))
    client.permissions.set("directories", outer, access_control_list=[TEAM])
    reader = AccessControlRequest(user_name="ann@example.com", permission_level=PermissionLevel.CAN_READ)
    client.permissions.update("directories", inner, access_control_list=[reader])
    server.process.kill()
    shown = start_jobs_server(tmp_path / "data", "--no-bundle").client().permissions.get("directories", inner)
    assert entries(shown) == {("ann@example.com", "CAN_READ", False), ("team", "CAN_MANAGE", True)}
    assert shown.object_type == "directory"


def test_invalid_permissions_are_refused(jobs_server: RunningJobsServer) -> None:
    permissions, job_id = jobs_server.client().permissions, str(jobs_server.job_ids["queued"])
    with pytest.raises(BadRequest, match="exactly one owner"):
        permissions.set("jobs", job_id, access_control_list=[FUNCTION])
    wrong = AccessControlRequest(user_name="ann", permission_level=PermissionLevel.CAN_READ)
    with pytest.raises(BadRequest, match="one of the levels CAN_VIEW, CAN_MANAGE_RUN"):
        permissions.set("jobs", job_id, access_control_list=[OWNER, wrong])
    with pytest.raises(BadRequest, match="one of user_name"):
        permissions.set(
            "jobs", job_id, access_control_list=[AccessControlRequest(permission_level=PermissionLevel.IS_OWNER)]
        )
    with pytest.raises(BadRequest, match="clusters is not a supported object type"):
        permissions.get("clusters", "1")
    for kind in ("jobs", "directories"):
        for unknown in (1 << 40, 10**30):
            with pytest.raises(NotFound, match="does not exist"):
                permissions.get(kind, str(unknown))


def test_a_schema_is_created_changed_and_deleted_with_its_grants(
    start_jobs_server: StartJobsServer, tmp_path: Path
) -> None:
    server = start_jobs_server(tmp_path / "data", "--no-bundle")
    schemas = server.client().schemas
    created = schemas.create("orders", "main", comment="one")
    assert (created.full_name, created.owner) == ("main.orders", USER)
    with pytest.raises(BadRequest, match="already exists"):
        schemas.create("orders", "main")
    with pytest.raises(BadRequest, match="must not contain dots"):
        schemas.create("or.ders", "main")
    assert schemas.update("main.orders", comment="two").comment == "two"
    changes = [PermissionsChange(principal="job", add=[Privilege.USE_SCHEMA, Privilege.SELECT])]
    server.client().grants.update("schema", "main.orders", changes=changes)
    server.process.kill()

    client = start_jobs_server(tmp_path / "data", "--no-bundle").client()
    assert client.schemas.get("main.orders").comment == "two"
    client.schemas.delete("main.orders", force=True)
    with pytest.raises(NotFound, match=r"Schema 'main\.orders' does not exist"):
        client.schemas.get("main.orders")
    client.schemas.create("orders", "main")
    assert not client.grants.get("schema", "main.orders").privilege_assignments


def test_grants_are_added_and_removed_by_principal(jobs_server: RunningJobsServer) -> None:
    client = jobs_server.client()
    client.schemas.create("granted", "main")

    def granted(*changes: PermissionsChange) -> dict[str, list[str]]:
        client.grants.update("schema", "main.granted", changes=list(changes))
        shown = client.grants.get("schema", "main.granted").privilege_assignments or []
        return {item.principal or "": [privilege.value for privilege in item.privileges or []] for item in shown}

    job = PermissionsChange(principal="job", add=[Privilege.SELECT, Privilege.MODIFY])
    assert granted(job, PermissionsChange(principal="readers", add=[Privilege.SELECT])) == {
        "job": ["MODIFY", "SELECT"],
        "readers": ["SELECT"],
    }
    # As the CLI sends it: exactly these privileges.
    exactly = PermissionsChange(principal="job", add=[Privilege.USE_SCHEMA], remove=[Privilege.ALL_PRIVILEGES])
    gone = PermissionsChange(principal="readers", remove=[Privilege.SELECT])
    assert granted(exactly, gone) == {"job": ["USE_SCHEMA"]}
    with pytest.raises(NotFound):
        client.grants.get("schema", "main.nothing")
