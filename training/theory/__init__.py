"""The paper's theorems, proved by computation, and what they leave out, measured."""
