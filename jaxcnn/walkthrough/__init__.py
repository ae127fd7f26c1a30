"""A page that walks through a net, step by step, as it sees one photo."""
