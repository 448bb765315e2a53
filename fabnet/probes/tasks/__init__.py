"""Kinds of task: what a probe learns of it, how it is scored and what neighbours are compared by."""
