"""Models alive in a browser: served on this machine, as a static site, or in a notebook."""
