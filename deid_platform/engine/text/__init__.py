"""Finds identifiers in free text, offline: forms, word lists, a small model, the record itself.

Belongs here: detection, and measuring it. What a span is and how a text is redacted is in
`core/text`; heavy libraries are imported where they are used.
"""
