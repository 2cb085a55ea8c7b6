"""The report of a run, report.html, and the image files of a run."""
