"""The loop around a data set: wrong labels, relabelling, what to label next."""
