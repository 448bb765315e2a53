"""The paper: its published numbers, tables and figures, beside what was run here."""
