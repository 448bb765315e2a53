"""What `read` found, over time: smoothed courses, a person's own baseline, summaries, synchrony, exports."""
