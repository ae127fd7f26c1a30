"""Reading: the splits of a data set as random-access sources, images decoded and cut to squares."""
