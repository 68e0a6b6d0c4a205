"""Market makers: one quoter or learner a file."""
