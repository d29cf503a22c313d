# Step 1 of 3: everything that the job and the function need to be there before them.
terraform {
  required_version = ">= 1.9"

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

  # The bucket is given by the deploy step: terraform init -backend-config=bucket=STATE_BUCKET
  backend "gcs" {
    prefix = "order-tracking/foundation"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}

# Unity Catalog objects live in the workspace's metastore ...
provider "databricks" {
  host = var.databricks_host
}

# ... service principals and federation policies in the account.
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
