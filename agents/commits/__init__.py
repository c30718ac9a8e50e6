"""What goes into a commit: outcomes of a frame, and the leaves and rows that are made of them."""
