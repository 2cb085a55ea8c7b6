"""What a run shows of itself, and what is wrong with it: signals, findings, prescriptions."""
