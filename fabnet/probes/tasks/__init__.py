"""Kinds of task: their learned targets, their figures and the measures for ranking."""
