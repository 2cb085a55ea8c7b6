"""The fault campaign: commands of Zerosum under kills, full disks, damaged files and invalid input.

Run it with `python -m benchmarks.faults`.
"""
