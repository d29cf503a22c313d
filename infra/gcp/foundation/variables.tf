variable "project_id" {
  description = "Google Cloud project for all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be the id of a project (not its name or number): 6 to 30 characters of a-z, 0-9 and -."
  }
}

variable "region" {
  description = "Region of the bucket, the function and its trigger. The workspace's region avoids cross-region traffic."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a single region such as europe-west1: an event trigger must be where its bucket is."
  }
}

variable "name" {
  description = "Name of the installation, the prefix of all names: a second installation has another one."
  type        = string
  default     = "order-tracking"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,17}[a-z0-9]$", var.name))
    error_message = "name must have 4 to 19 characters of a-z, 0-9 and -, so that the service accounts' names fit into 30."
  }
}

variable "bucket" {
  description = "Name of the bucket for uploads; it is created."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be a bucket name without gs:// and without a path."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state; it exists already."
  type        = string
}

variable "source_prefix" {
  description = "Prefix for uploads."
  type        = string
  default     = "source/"
  validation {
    condition     = can(regex("^[^/].*/$", var.source_prefix))
    error_message = "source_prefix must end with / and not begin with one."
  }
}

variable "archive_prefix" {
  description = "Prefix for merged files."
  type        = string
  default     = "archive/"
  validation {
    condition     = can(regex("^[^/].*/$", var.archive_prefix))
    error_message = "archive_prefix must end with / and not begin with one."
  }
}

variable "rejected_prefix" {
  description = "Prefix for rejected files and their reports."
  type        = string
  default     = "rejected/"
  validation {
    condition     = can(regex("^[^/].*/$", var.rejected_prefix))
    error_message = "rejected_prefix must end with / and not begin with one."
  }
}

variable "uploaders" {
  description = "Who may upload below source_prefix, as IAM members (serviceAccount:..., group:...)."
  type        = set(string)
  default     = []
  validation {
    condition     = alltrue([for member in var.uploaders : can(regex("^(user|group|serviceAccount|principal|principalSet):.+$", member))])
    error_message = "uploaders must be IAM members with a type prefix, for example serviceAccount:shop@project.iam.gserviceaccount.com; the public (allUsers) is not accepted."
  }
}

variable "archive_nearline_days" {
  description = "Days after which archived files move to the cheaper Nearline class."
  type        = number
  default     = 30
  validation {
    condition     = var.archive_nearline_days >= 1
    error_message = "archive_nearline_days must be at least 1."
  }
}

variable "archive_delete_days" {
  description = "Days after which archived files are deleted and can no longer be replayed."
  type        = number
  default     = 1095
  validation {
    condition     = var.archive_delete_days >= 60
    error_message = "archive_delete_days must be at least 60: replay needs the files, and Nearline charges for at least 30 days."
  }
}

variable "rejected_delete_days" {
  description = "Days after which rejected files and their reports are deleted."
  type        = number
  default     = 90
  validation {
    condition     = var.rejected_delete_days >= 7
    error_message = "rejected_delete_days must be at least 7, so that there is time to read the reports."
  }
}

variable "sweep_schedule" {
  description = "Cron schedule of the sweep, in UTC. It must run at least every 20 minutes, because it reports runs that failed in the last 25."
  type        = string
  default     = "*/10 * * * *"
}

variable "databricks_host" {
  description = "URL of the workspace, https://....gcp.databricks.com."
  type        = string
  validation {
    condition     = can(regex("^https://[^/]+$", var.databricks_host))
    error_message = "databricks_host must begin with https:// and end with the host's name, without a slash."
  }
}

variable "databricks_account_host" {
  description = "URL of the account console."
  type        = string
  default     = "https://accounts.gcp.databricks.com"
}

variable "databricks_account_id" {
  description = "Id of the Databricks account, shown in the account console."
  type        = string
  validation {
    condition     = can(regex("^[0-9a-f-]{36}$", var.databricks_account_id))
    error_message = "databricks_account_id must be a UUID; the account console shows it in the menu at the top right."
  }
}

variable "databricks_workspace_id" {
  description = "Id of the workspace, the number after o= in its URL."
  type        = number
}

variable "databricks_login" {
  description = "How the function logs in to Databricks: federation (no secret) or secret (OAuth secret in Secret Manager)."
  type        = string
  default     = "federation"
  validation {
    condition     = contains(["federation", "secret"], var.databricks_login)
    error_message = "databricks_login must be federation or secret."
  }
}

variable "catalog" {
  description = "Unity Catalog catalog for the tables; it must exist."
  type        = string
}

variable "deployers" {
  description = "Who deploys the bundle besides the deployer's principal, as users/NAME, groups/NAME or servicePrincipals/ID: they may deploy jobs that run as the job's service principal."
  type        = set(string)
  validation {
    condition     = alltrue([for who in var.deployers : can(regex("^(users|groups|servicePrincipals)/.+$", who))])
    error_message = "deployers must be users/NAME, groups/NAME or servicePrincipals/ID."
  }
}

variable "readers" {
  description = "Group that may read the tables; empty: none."
  type        = string
  default     = ""
}

variable "github_repository" {
  description = "OWNER/NAME of the repository whose main branch may deploy without a key; empty: none."
  type        = string
  default     = ""
  validation {
    condition     = var.github_repository == "" || can(regex("^[^/]+/[^/]+$", var.github_repository))
    error_message = "github_repository must be OWNER/NAME, or empty."
  }
}
