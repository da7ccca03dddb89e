"""Model repositories in object stores, which are mirrored into a folder (extra ``stores``)."""
