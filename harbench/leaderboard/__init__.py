"""From records to a page that others enter, and to the audit of what they enter."""
