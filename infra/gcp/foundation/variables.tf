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
  description = "Name of the installation: begins the names of all resources, and all that two installations in one project, account, workspace and catalog must differ in."
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
  validation {
    condition     = length(var.bucket) <= 47
    error_message = "bucket must have at most 47 characters, so that the name of the function's source bucket, which adds 16, fits into 63."
  }
  validation {
    condition     = var.bucket != var.state_bucket
    error_message = "bucket must not be the bucket of Terraform's state: whoever may list the uploads would see the states."
  }
}

variable "state_bucket" {
  description = "Bucket that holds the Terraform states of all installations; GitHub Actions gets access to this one's."
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
    condition     = floor(var.archive_nearline_days) == var.archive_nearline_days && var.archive_nearline_days >= 1
    error_message = "archive_nearline_days must be a whole number of at least 1."
  }
}

variable "archive_delete_days" {
  description = "Days after which archived files are deleted and can no longer be replayed."
  type        = number
  default     = 1095
  validation {
    condition     = floor(var.archive_delete_days) == var.archive_delete_days && var.archive_delete_days >= max(60, var.archive_nearline_days + 30)
    error_message = "archive_delete_days must be a whole number of at least 60, because replay needs the files, and at least 30 more than archive_nearline_days, because Nearline charges for 30 days."
  }
}

variable "rejected_delete_days" {
  description = "Days after which rejected files and their reports are deleted."
  type        = number
  default     = 90
  validation {
    condition     = floor(var.rejected_delete_days) == var.rejected_delete_days && var.rejected_delete_days >= 7
    error_message = "rejected_delete_days must be a whole number of at least 7, so that there is time to read the reports."
  }
}

variable "sweep_schedule" {
  description = "Cron schedule of the sweep, every 1 to 20 minutes: it reports runs that failed in the last 25."
  type        = string
  default     = "*/10 * * * *"
  validation {
    condition     = can(regex("^(\\*|\\*/([1-9]|1[0-9]|20))( \\*){4}$", var.sweep_schedule))
    error_message = "sweep_schedule must be */N * * * * with N from 1 to 20, because the sweep reports runs that failed in the last 25 minutes."
  }
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
  description = "Who deploys the bundle, as users/NAME, groups/NAME or servicePrincipals/APPLICATION_ID: they may deploy jobs that run as the job's service principal."
  type        = set(string)
  validation {
    condition     = length(var.deployers) > 0
    error_message = "deployers must name at least one: nobody else may set the jobs' run_as."
  }
  validation {
    condition     = alltrue([for who in var.deployers : can(regex("^(users|groups|servicePrincipals)/.+$", who))])
    error_message = "deployers must be users/NAME, groups/NAME or servicePrincipals/APPLICATION_ID."
  }
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

variable "github_repository_id" {
  description = "Number of that repository (gh api repos/OWNER/NAME --jq .id), so that another one with the same name is refused; empty: not checked."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^[0-9]*$", var.github_repository_id))
    error_message = "github_repository_id must be a number, or empty."
  }
}
