"""Step 1 to 3 of the guideline: what a table may show, and why."""
