# Step 3 of 3: the function, its triggers, metrics and alerts. It needs the job's id, so it comes after the bundle.
terraform {
  required_version = ">= 1.9"

  # The first `terraform init` writes the exact versions to .terraform.lock.hcl, which belongs in the tree.
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # Each installation has its own state: terraform init -backend-config=bucket=STATE_BUCKET -backend-config=prefix=NAME/function
  backend "gcs" {}
}

# The outputs of step 1, read from its state.
data "terraform_remote_state" "foundation" {
  backend = "gcs"
  config = {
    bucket = var.state_bucket
    prefix = var.state_prefix
  }
}

locals {
  base = data.terraform_remote_state.foundation.outputs.installation
  labels = {
    application = local.base.name
  }
}

provider "google" {
  project = local.base.project_id
  region  = local.base.region
}
