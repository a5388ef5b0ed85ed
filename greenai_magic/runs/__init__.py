"""What happened: runs, the ledger that keeps them, and `measure`, which makes one."""
