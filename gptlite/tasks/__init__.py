"""Tasks: texts and their labels as rows of tokens, for fine-tuning."""
