"""Memory over time, from the lifetimes of tensors."""
