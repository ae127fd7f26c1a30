"""What a training is made of, by word: losses, metrics, optimizers, schedules."""
