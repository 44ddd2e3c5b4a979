"""Attack on a whole server: random operations while it and its VMs are killed, checked by a model."""
