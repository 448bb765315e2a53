"""The report: a run as one page to look at."""
