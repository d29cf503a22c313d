variable "state_bucket" {
  description = "Bucket that holds the state of step 1."
  type        = string
}

variable "job_id" {
  description = "Id of the Databricks job, as the bundle's deployment says it."
  type        = string
  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.job_id))
    error_message = "job_id must be the job's number; databricks bundle summary prints it."
  }
}

variable "source_archive" {
  description = "Zip file with what .gcloudignore lets through; infra/deploy makes it."
  type        = string
}

variable "launch_window_seconds" {
  description = "Uploads of this many seconds share one run."
  type        = number
  default     = 30
  validation {
    condition     = var.launch_window_seconds >= 1 && var.launch_window_seconds <= 55
    error_message = "launch_window_seconds must be from 1 to 55: a run waits for the window's end at most a minute."
  }
}

variable "max_bad_row_ratio" {
  description = "Share of bad rows above which a file is rejected as a whole."
  type        = number
  default     = 0.1
  validation {
    condition     = var.max_bad_row_ratio >= 0 && var.max_bad_row_ratio <= 1
    error_message = "max_bad_row_ratio must be from 0 to 1."
  }
}

variable "sweep_grace_seconds" {
  description = "Age from which the sweep takes care of a file in source/."
  type        = number
  default     = 600
  validation {
    condition     = var.sweep_grace_seconds >= 60
    error_message = "sweep_grace_seconds must be at least 60: younger files have their own event under way."
  }
}

variable "max_instances" {
  description = "How many files may be judged at the same time; the rest wait as undelivered events."
  type        = number
  default     = 20
  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100
    error_message = "max_instances must be from 1 to 100."
  }
}

variable "alert_email" {
  description = "Who is told; empty: alerts are only shown in the console."
  type        = string
  default     = ""
  validation {
    condition     = var.alert_email == "" || can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "alert_email must be one address, or empty."
  }
}

variable "waiting_alert_seconds" {
  description = "Age of the oldest file in source/ that calls somebody."
  type        = number
  default     = 3600
  validation {
    condition     = var.waiting_alert_seconds >= 900
    error_message = "waiting_alert_seconds must be at least 900: below it a slow start of a run would call people."
  }
}
