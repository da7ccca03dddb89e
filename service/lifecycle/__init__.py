"""Which version serves: loading, rollout, cutover, rollback, integrity checks."""
