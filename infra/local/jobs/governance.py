"""Permissions of jobs and folders, and Unity Catalog's schemas with their grants: kept and shown, but not enforced."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from starlette.routing import BaseRoute

from infra.local.jobs.answers import ApiError, invalid
from infra.local.jobs.endpoints import Endpoints, Fields, objects, text
from infra.local.jobs.login import USER
from infra.local.jobs.store import Store, now_ms
from infra.local.jobs.workspace import Workspace

PERMISSIONS, SCHEMA, GRANTS = "permissions", "schema", "grants"
LEVELS = {
    "jobs": ("CAN_VIEW", "CAN_MANAGE_RUN", "IS_OWNER", "CAN_MANAGE"),
    "directories": ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"),
}
OBJECT_TYPES = {"jobs": "job", "directories": "directory"}
PRINCIPALS = ("user_name", "group_name", "service_principal_name")
CHANGEABLE = ("comment", "properties", "owner", "enable_predictive_optimization", "custom_max_retention_hours")


class Governance:
    def __init__(self, store: Store, workspace: Workspace, jobs: Container[int]) -> None:
        self._store = store
        self._workspace = workspace
        self._jobs = jobs

    def routes(self, endpoints: Endpoints) -> list[BaseRoute]:
        acl, schemas = "/api/2.0/permissions/{kind}/{object_id:int}", "/api/2.1/unity-catalog/schemas"
        grants = "/api/2.1/unity-catalog/permissions/schema/{full_name}"
        return [
            endpoints.route("GET", acl, self._get_permissions),
            endpoints.route("PUT", acl, self._set_permissions),
            endpoints.route("PATCH", acl, self._update_permissions),
            endpoints.route("POST", schemas, self._create_schema),
            endpoints.route("GET", f"{schemas}/{{full_name}}", self._schema),
            endpoints.route("PATCH", f"{schemas}/{{full_name}}", self._update_schema),
            endpoints.route("DELETE", f"{schemas}/{{full_name}}", self._delete_schema),
            endpoints.route("GET", grants, self._get_grants),
            endpoints.route("PATCH", grants, self._update_grants),
        ]

    # --- permissions

    def _get_permissions(self, fields: Fields) -> Fields:
        """The object's own entries, then those that it inherits."""
        sources = self._sources(fields)
        entries: list[Fields] = []
        for source in sources:
            for entry in self._entries(source):
                inherited = {} if source == sources[0] else {"inherited_from_object": [source]}
                permission = {"permission_level": entry["permission_level"], "inherited": bool(inherited), **inherited}
                principal = {name: entry[name] for name in PRINCIPALS if name in entry}
                entries.append({**principal, "all_permissions": [permission]})
        return {"object_id": sources[0], "object_type": OBJECT_TYPES[fields["kind"]], "access_control_list": entries}

    def _set_permissions(self, fields: Fields) -> Fields:
        return self._store_entries(fields, [])

    def _update_permissions(self, fields: Fields) -> Fields:
        return self._store_entries(fields, self._entries(self._sources(fields)[0]))

    def _store_entries(self, fields: Fields, kept: list[Fields]) -> Fields:
        """The given entries, and those of `kept` that are about other principals."""
        by_principal = {}
        for entry in [*kept, *objects(fields, "access_control_list")]:
            named = [(name, entry[name]) for name in PRINCIPALS if entry.get(name)]
            if len(named) != 1 or entry.get("permission_level") not in LEVELS[_kind(fields)]:
                levels = ", ".join(LEVELS[_kind(fields)])
                raise invalid(f"Each entry must have one of {', '.join(PRINCIPALS)}, and one of the levels {levels}.")
            by_principal[named[0]] = {**dict(named), "permission_level": entry["permission_level"]}
        entries = list(by_principal.values())
        if fields["kind"] == "jobs" and [entry["permission_level"] for entry in entries].count("IS_OWNER") != 1:
            raise invalid("The job must have exactly one owner.")
        self._store.put_document(PERMISSIONS, self._sources(fields)[0], entries)
        return self._get_permissions(fields)

    def _entries(self, source: str) -> list[Fields]:
        owner = [{"user_name": USER, "permission_level": "IS_OWNER"}] if source.startswith("/jobs/") else []
        entries: list[Fields] = self._store.document(PERMISSIONS, source) or owner
        return entries

    def _sources(self, fields: Fields) -> list[str]:
        """The object, as `/jobs/1`, and those that it inherits from, innermost first."""
        kind, object_id = _kind(fields), fields["object_id"]
        if kind == "directories":
            ids = self._workspace.folders_from(object_id)
        else:
            ids = [object_id] if object_id in self._jobs else []
        if not ids:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"{OBJECT_TYPES[kind].title()} {object_id} does not exist.")
        return [f"/{kind}/{one}" for one in ids]

    # --- schemas and their grants

    def _create_schema(self, fields: Fields) -> Fields:
        """In any catalog: there are none here."""
        catalog, name = text(fields, "catalog_name"), text(fields, "name")
        for part in (catalog, name):
            if set(part) & set("./ "):
                raise invalid(f"Invalid input: {part!a} must not contain dots, slashes or blanks.")
        full_name = f"{catalog}.{name}"
        if self._store.document(SCHEMA, full_name) is not None:
            raise ApiError(400, "SCHEMA_ALREADY_EXISTS", f"Schema '{full_name}' already exists")
        named = {"catalog_name": catalog, "name": name, "full_name": full_name, "owner": USER, "created_by": USER}
        given = {key: fields[key] for key in (*CHANGEABLE, "storage_root") if key in fields}
        return self._put_schema({**named, "created_at": now_ms(), **given})

    def _schema(self, fields: Fields) -> Fields:
        full_name = fields["full_name"]
        schema: Fields | None = self._store.document(SCHEMA, full_name)
        if schema is None:
            raise ApiError(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{full_name}' does not exist.")
        return schema

    def _update_schema(self, fields: Fields) -> Fields:
        return self._put_schema({**self._schema(fields), **{key: fields[key] for key in CHANGEABLE if key in fields}})

    def _put_schema(self, schema: Fields) -> Fields:
        schema |= {"updated_at": now_ms(), "updated_by": USER}
        self._store.put_document(SCHEMA, schema["full_name"], schema)
        return schema

    def _delete_schema(self, fields: Fields) -> None:
        full_name = self._schema(fields)["full_name"]
        self._store.delete_document(SCHEMA, full_name)
        self._store.delete_document(GRANTS, full_name)

    def _get_grants(self, fields: Fields) -> Fields:
        granted: dict[str, list[str]] = self._store.document(GRANTS, self._schema(fields)["full_name"]) or {}
        return {"privilege_assignments": [{"principal": name, "privileges": held} for name, held in granted.items()]}

    def _update_grants(self, fields: Fields) -> Fields:
        """Per principal, first remove and then add. Removing ALL_PRIVILEGES removes all that the principal has."""
        full_name = self._schema(fields)["full_name"]
        granted: dict[str, list[str]] = self._store.document(GRANTS, full_name) or {}
        for change in objects(fields, "changes"):
            add, remove = _names(change, "add"), _names(change, "remove")
            principal = text(change, "principal")
            kept = set() if "ALL_PRIVILEGES" in remove else set(granted.pop(principal, [])) - remove
            granted[principal] = sorted(kept | add)
        self._store.put_document(GRANTS, full_name, {name: held for name, held in granted.items() if held})
        return self._get_grants(fields)


def _kind(fields: Fields) -> str:
    kind: str = fields["kind"]
    if kind not in LEVELS:
        raise invalid(f"{kind} is not a supported object type: {' or '.join(LEVELS)}.")
    return kind


def _names(change: Fields, name: str) -> set[str]:
    value: Any = change.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"{name} must be a list of privileges.")
    return set(value)
