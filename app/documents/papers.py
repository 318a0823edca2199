"""What stands on each paper: one function for each act of the journal that asks for one."""
