# Who deploys the bundle: people and others in var.deployers, and one service principal that owns the jobs, whoever deploys
# them. GitHub Actions logs in as that principal (ci_login.tf).

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
  all_deployers = concat(tolist(var.deployers), ["servicePrincipals/${databricks_service_principal.deployer.application_id}"])
}

# A deployer needs this role on the job's principal to set run_as to it; whoever creates a principal is only its manager.
resource "databricks_access_control_rule_set" "job" {
  provider = databricks.account
  name     = "accounts/${var.databricks_account_id}/servicePrincipals/${databricks_service_principal.job.application_id}/ruleSets/default"
  grant_rules {
    role       = "roles/servicePrincipal.user"
    principals = local.all_deployers
  }
}

# The bundle and the wheels. At the top of the workspace, because all users may write below /Workspace/Shared: anyone could
# replace the wheel, which runs with the job's rights.
resource "databricks_directory" "bundle" {
  path = "/${var.name}"
  # Contains nothing but deployed files.
  delete_recursive = true
}

resource "databricks_permissions" "bundle" {
  directory_path = databricks_directory.bundle.path

  dynamic "access_control" {
    for_each = local.all_deployers
    content {
      # The provider reads names back in lower case.
      user_name              = startswith(access_control.value, "users/") ? lower(trimprefix(access_control.value, "users/")) : null
      group_name             = startswith(access_control.value, "groups/") ? trimprefix(access_control.value, "groups/") : null
      service_principal_name = startswith(access_control.value, "servicePrincipals/") ? trimprefix(access_control.value, "servicePrincipals/") : null
      permission_level       = "CAN_MANAGE"
    }
  }

  # Runs read the wheel.
  access_control {
    service_principal_name = databricks_service_principal.job.application_id
    permission_level       = "CAN_READ"
  }

  # A workspace knows only the principals that are assigned to it.
  depends_on = [databricks_mws_permission_assignment.job, databricks_mws_permission_assignment.deployer]
}

# The bundle creates the schema. Grants of people and groups are not managed here: databricks_grant replaces all that a
# principal has on the catalog, and a second installation may have the same people.
resource "databricks_grant" "deployer_uses_catalog" {
  catalog    = var.catalog
  principal  = databricks_service_principal.deployer.application_id
  privileges = ["USE_CATALOG", "CREATE_SCHEMA"]
}
