"""Output: levels in models, files, tables, messages."""
