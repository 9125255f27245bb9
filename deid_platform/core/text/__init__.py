"""Free text as pure values: spans, which of two overlapping ones holds, redaction, and measures.

Belongs here: what a found identifier is and how findings are compared. How they are found needs
lists and models, and is the engine's.
"""
