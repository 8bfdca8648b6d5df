"""The recipe of the bundled digit classifier; needs the extra `train`."""
