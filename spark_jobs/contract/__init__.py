"""The vocabulary that the function and the job share. Standard library only; imports nothing else of this project."""

# Marks name this version. The job doesn't take files marked under another version; the sweep validates those again.
CONTRACT_VERSION = 3
