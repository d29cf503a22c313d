"""What Databricks shows and watches, generated from the questions: an AI/BI dashboard, and SQL alerts for each feed."""
