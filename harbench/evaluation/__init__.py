"""From a network to scores per condition."""

# Part of every record; tables never mix two. Raise it whenever the same run would get other
# scores: splits, labelled subsets, corruption, metrics, or how the best state is selected.
EVALUATOR = 2
