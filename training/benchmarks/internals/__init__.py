"""What happens inside the networks: signals, faults, parity, speed."""
