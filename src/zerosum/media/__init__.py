"""Image grids, contact sheets, plots, GIFs and videos of samples."""
