# The principal that owns the jobs, whoever deploys them, and the folder of the bundle. Whoever can write there can replace
# the code that runs with the job's rights, so it is at the top level: everyone may write below /Workspace/Shared.

resource "databricks_service_principal" "deployer" {
  provider     = databricks.account
  display_name = "${var.name}-deployer"
}

resource "databricks_mws_permission_assignment" "deployer" {
  provider     = databricks.account
  workspace_id = var.databricks_workspace_id
  principal_id = databricks_service_principal.deployer.id
  permissions  = ["USER"]
}

locals {
  deployers = setunion(var.deployers, ["servicePrincipals/${databricks_service_principal.deployer.application_id}"])
}

resource "databricks_directory" "bundle" {
  path = "/${var.name}"
}

resource "databricks_permissions" "bundle" {
  directory_path = databricks_directory.bundle.path

  access_control {
    service_principal_name = databricks_service_principal.deployer.application_id
    permission_level       = "CAN_MANAGE"
  }
  # The job reads its wheel there.
  access_control {
    service_principal_name = databricks_service_principal.job.application_id
    permission_level       = "CAN_READ"
  }
  dynamic "access_control" {
    for_each = var.deployers
    content {
      user_name              = startswith(access_control.value, "users/") ? trimprefix(access_control.value, "users/") : null
      group_name             = startswith(access_control.value, "groups/") ? trimprefix(access_control.value, "groups/") : null
      service_principal_name = startswith(access_control.value, "servicePrincipals/") ? trimprefix(access_control.value, "servicePrincipals/") : null
      permission_level       = "CAN_MANAGE"
    }
  }

  # Both principals must be in the workspace.
  depends_on = [databricks_mws_permission_assignment.deployer, databricks_mws_permission_assignment.job]
}

resource "databricks_grant" "deployer_uses_catalog" {
  catalog    = var.catalog
  principal  = databricks_service_principal.deployer.application_id
  privileges = ["CREATE_SCHEMA", "USE_CATALOG"]
}
