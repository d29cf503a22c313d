# What the alerts watch, as charts: the state of the installation at a glance, for whoever an alert has woken up.

locals {
  services = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = monitoring.regex.full_match(\"${local.base.name}-(intake|sweep)\")"

  # In rows of two. `by`: the label whose values are shown as series of their own.
  charts = [
    {
      title   = "Events, by response"
      filter  = "metric.type = \"run.googleapis.com/request_count\" AND ${local.services}"
      aligner = "ALIGN_DELTA"
      reducer = "REDUCE_SUM"
      by      = ["metric.labels.response_code_class"]
      plot    = "STACKED_BAR"
      unit    = "events"
    },
    {
      title   = "Launches: accepted files that were handed to a run (one per window)"
      filter  = "${local.our}/${google_logging_metric.counted_lines["launches"].name}\" AND ${local.on_run}"
      aligner = "ALIGN_DELTA"
      reducer = "REDUCE_SUM"
      by      = []
      plot    = "STACKED_BAR"
      unit    = "files"
    },
    {
      title   = "Rejected files, by code"
      filter  = "${local.our}/${google_logging_metric.rejected_files.name}\" AND ${local.on_run}"
      aligner = "ALIGN_DELTA"
      reducer = "REDUCE_SUM"
      by      = ["metric.labels.code"]
      plot    = "STACKED_BAR"
      unit    = "files"
    },
    {
      title   = "Age of the oldest waiting file"
      filter  = "${local.our}/${google_logging_metric.oldest_in_source.name}\" AND ${local.on_run}"
      aligner = "ALIGN_PERCENTILE_99"
      reducer = "REDUCE_MAX"
      by      = []
      plot    = "LINE"
      unit    = "seconds"
    },
    {
      title   = "Failed runs, as the sweep finds them"
      filter  = "${local.our}/${google_logging_metric.counted_lines["failed_runs"].name}\" AND ${local.on_run}"
      aligner = "ALIGN_DELTA"
      reducer = "REDUCE_SUM"
      by      = []
      plot    = "STACKED_BAR"
      unit    = "runs"
    },
    {
      title   = "Errors of the function"
      filter  = "${local.our}/${google_logging_metric.counted_lines["function_errors"].name}\" AND ${local.on_run}"
      aligner = "ALIGN_DELTA"
      reducer = "REDUCE_SUM"
      by      = []
      plot    = "STACKED_BAR"
      unit    = "log lines"
    },
  ]
}

resource "google_monitoring_dashboard" "overview" {
  project = local.base.project_id
  dashboard_json = jsonencode({
    displayName = local.base.name
    mosaicLayout = {
      columns = 12
      tiles = [for number, chart in local.charts : {
        xPos   = 6 * (number % 2)
        yPos   = 4 * floor(number / 2)
        width  = 6
        height = 4
        widget = {
          title = chart.title
          xyChart = {
            dataSets = [{
              plotType = chart.plot
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = chart.filter
                  aggregation = {
                    alignmentPeriod    = "600s" # the sweep's interval
                    perSeriesAligner   = chart.aligner
                    crossSeriesReducer = chart.reducer
                    groupByFields      = chart.by
                  }
                }
              }
            }]
            yAxis = { label = chart.unit, scale = "LINEAR" }
          }
        }
      }]
    }
  })
}
