"""What users look at: the result of a run, its verdict, figures, and a page of all."""
