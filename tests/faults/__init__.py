"""The proof: numbered messages in all directions while things break, and every number counted at every receiver."""
