"""One file for each command of `gongheng`."""
