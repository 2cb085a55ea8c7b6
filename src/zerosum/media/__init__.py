"""How images and videos are drawn and written."""
