"""Image sources: resolving, inspecting, decoding and caching them."""
