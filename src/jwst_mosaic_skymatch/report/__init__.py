"""The result of a run: its verdict, figures, and a page of all."""
