"""The report of a run, report.html."""
