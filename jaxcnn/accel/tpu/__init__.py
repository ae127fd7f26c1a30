"""What a TPU waits for memory with, in forms that read and write less."""
