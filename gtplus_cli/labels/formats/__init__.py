"""Formats that labels are converted to: a file each, with a writer that takes one label after another."""
