"""The commands of `jaxcnn`, one file each."""
