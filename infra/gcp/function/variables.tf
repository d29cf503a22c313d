variable "state_bucket" {
  description = "Bucket that holds the state of step 1."
  type        = string
}

variable "state_prefix" {
  description = "Prefix of that state: NAME/foundation, where NAME is the name of the installation in step 1."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,17}[a-z0-9]/foundation$", var.state_prefix))
    error_message = "state_prefix must be NAME/foundation, where NAME is the name of the installation in step 1."
  }
}

variable "job_id" {
  description = "Id of the Databricks job, from the bundle's deployment."
  type        = string
  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.job_id))
    error_message = "job_id must be the job's number; databricks bundle summary prints it."
  }
}

variable "continuous_job_id" {
  description = "Id of the continuous job, whose run loads the files: the function then only marks them. Empty: the function starts runs."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([1-9][0-9]*)?$", var.continuous_job_id))
    error_message = "continuous_job_id must be the job's number, which databricks bundle summary prints in live mode, or empty."
  }
}

variable "source_archive" {
  description = "Zip file with the function's upload set; infra/deploy creates it."
  type        = string
}

variable "launch_window_seconds" {
  description = "Uploads within this many seconds share one run."
  type        = number
  default     = 30
  validation {
    condition     = floor(var.launch_window_seconds) == var.launch_window_seconds && var.launch_window_seconds >= 1 && var.launch_window_seconds <= 55
    error_message = "launch_window_seconds must be a whole number from 1 to 55: a run waits at most a minute for the end of the window."
  }
}

variable "max_bad_row_ratio" {
  description = "Share of bad rows above which the whole file is rejected."
  type        = number
  default     = 0.1
  validation {
    condition     = var.max_bad_row_ratio >= 0 && var.max_bad_row_ratio <= 1
    error_message = "max_bad_row_ratio must be from 0 to 1."
  }
}

variable "sweep_grace_seconds" {
  description = "Age in seconds from which the sweep handles a file in source/."
  type        = number
  default     = 600
  validation {
    condition     = floor(var.sweep_grace_seconds) == var.sweep_grace_seconds && var.sweep_grace_seconds >= 60
    error_message = "sweep_grace_seconds must be a whole number of at least 60: the events of younger files may still be pending."
  }
}

variable "max_instances" {
  description = "How many files are validated at the same time; the others wait as undelivered events."
  type        = number
  default     = 20
  validation {
    condition     = floor(var.max_instances) == var.max_instances && var.max_instances >= 1 && var.max_instances <= 100
    error_message = "max_instances must be a whole number from 1 to 100."
  }
}

variable "alert_email" {
  description = "Email address for alerts; empty: alerts are only shown in the console."
  type        = string
  default     = ""
  validation {
    condition     = var.alert_email == "" || can(regex("^[^@ ]+@[^@ ]+$", var.alert_email))
    error_message = "alert_email must be one email address, or empty."
  }
}

variable "waiting_alert_seconds" {
  description = "Age in seconds of the oldest file in source/ that triggers an alert."
  type        = number
  default     = 3600
  validation {
    condition     = var.waiting_alert_seconds >= 900 && var.waiting_alert_seconds > var.sweep_grace_seconds
    error_message = "waiting_alert_seconds must be at least 900, so that a slow start of a run triggers no alert, and more than sweep_grace_seconds, because only older files are measured."
  }
}
