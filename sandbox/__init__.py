"""A car maker's estate in a box: every upstream on its real wire protocol, over one coherent world."""
