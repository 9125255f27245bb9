"""Answers to an auditor, one module per question; each is complete or says what it lacks.

An answer names tables, rules, people, counts and digests, and never a cell value.
"""

from deid_platform.governance.answers.answer import Answer, Line

__all__ = ["Answer", "Line"]
