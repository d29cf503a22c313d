"""The questions about the pipeline and the orders, each one SQL file in ``sql/``, and their answers from any engine."""
