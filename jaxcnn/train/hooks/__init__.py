"""What accompanies a training: what is written, shown, watched."""
