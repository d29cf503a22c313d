"""The language that the function and the job share: declared once, standard library only, importing nothing of ours."""

# Marks name this version; the job refuses to take files marked under another, and the sweep marks those anew.
CONTRACT_VERSION = 1
