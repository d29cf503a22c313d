# Step 1 of 3: everything that must exist before the job and the function.
terraform {
  required_version = ">= 1.9"

  # The first `terraform init` writes the exact versions to .terraform.lock.hcl, which belongs in the tree.
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
    databricks = {
      source  = "databricks/databricks"
      version = "~> 1.138"
    }
  }

  # Each installation has its own state: terraform init -backend-config=bucket=STATE_BUCKET -backend-config=prefix=NAME/foundation
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
  region  = var.region
}

# Unity Catalog objects belong to the workspace's metastore ...
provider "databricks" {
  host = var.databricks_host
}

# ... service principals and federation policies to the account.
provider "databricks" {
  alias      = "account"
  host       = var.databricks_account_host
  account_id = var.databricks_account_id
}

data "google_project" "this" {
  project_id = var.project_id
}

locals {
  labels = {
    application = var.name
  }
}
