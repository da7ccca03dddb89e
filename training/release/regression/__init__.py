"""What is different where a quantity is predicted: the gate's checks and the card's figures."""
