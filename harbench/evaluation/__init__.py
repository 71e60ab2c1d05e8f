"""From a network to scores per condition."""
