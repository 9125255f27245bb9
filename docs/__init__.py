"""Documentation of the platform; the pages of `reference/` that code can tell are made from it."""
