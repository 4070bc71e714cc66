"""The curriculum: when a token is removed, how many more by chance, and which ids remain."""
