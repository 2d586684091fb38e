"""Read much new CSV data at once."""
