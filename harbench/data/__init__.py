"""From recordings to standardised, corrupted batches."""
