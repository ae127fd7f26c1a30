"""Making prepared data sets out of official archives."""
