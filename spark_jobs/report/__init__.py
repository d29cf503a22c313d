"""The page with all questions: gathers the answers, draws them with Vega-Lite, and renders one self-contained file."""
