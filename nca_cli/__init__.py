"""The verbs of growing patterns, one file each."""
