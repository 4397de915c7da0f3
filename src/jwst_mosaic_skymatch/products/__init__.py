"""What goes out: levels in models, files, tables, messages."""
