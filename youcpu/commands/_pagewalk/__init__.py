"""What youcpu pagewalk asks: sources, questions and answers as values."""
