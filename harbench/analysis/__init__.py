"""From records to statements. Depends on DataFrames only, never on torch."""
