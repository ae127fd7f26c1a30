"""What comes after training: how good a net is, where it fails, and what it says of new images."""
