"""Learning: gradients by hand, AdamW, batches from a file of tokens, the loop; and BPE merges."""
