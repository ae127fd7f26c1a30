"""Forms of operations that read and write less memory, for TPUs."""
