"""Open Inference Protocol v2: REST, with Triton's binary tensor, statistics and repository extensions.

The protocol is https://github.com/kserve/open-inference-protocol (``specification/protocol``); the
extensions are in the server repository of Triton (``docs/protocol``). Docstrings name their sections.
"""
