"""选取方式 Methods: one pure file for each way to choose, from a checked bundle to an order of firms."""
