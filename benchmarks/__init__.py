"""What the platform costs, each step as a ratio to a bare DuckDB copy made in the same run.

Seconds depend on the machine; ratios mostly do not. What belongs here: steps that call the
platform's own functions on data made for the purpose. What does not: any number not measured.
"""
