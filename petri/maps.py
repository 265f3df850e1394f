"""The maps of a material: their names, and how many numbers a point each has."""

# In the order in which they are painted, all in 0..1. Those of a normal are half of it and 0.5: right, up and
# out of the surface.
MAPS = {"albedo": 3, "height": 1, "roughness": 1, "occlusion": 1, "normal": 3}
