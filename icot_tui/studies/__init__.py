"""Studies: tables and figures of the papers, each made of ordinary runs."""
