"""Teachers: language models that read the numbers of looks, and what is read out of their layers."""
