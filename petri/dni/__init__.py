"""Decoupled neural interfaces: layers that predict their own gradients."""
