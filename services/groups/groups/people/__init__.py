"""People: who takes part, and what each may know of the other."""
