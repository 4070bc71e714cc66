"""The panels of the live screen, one module each; `all` lists them."""
