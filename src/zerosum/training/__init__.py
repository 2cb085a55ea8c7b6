"""Training: the loop, the accelerator it runs on, checkpoints and loggers."""
