"""The commands of `python -m jaxcnn`, one file each."""
