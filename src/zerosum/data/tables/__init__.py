"""Tables: rows of numbers, dates, categories and missing values."""
