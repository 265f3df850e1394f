"""The step in GLSL, its weights as a texture, and the viewer in one file."""
