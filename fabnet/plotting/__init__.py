"""Plots for notebooks and papers: tables and results on Matplotlib's axes, in the style that is set."""
