"""Pages of a case (its notebook), and templates of pages."""
