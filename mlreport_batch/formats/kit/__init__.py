"""What the formats share: rows, columns, steps, numbers, documents."""
