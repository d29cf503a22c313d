"""Which mode, at which size: a simulation of the pipeline from uploads to queryable rows, and what it costs."""
