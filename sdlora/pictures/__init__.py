"""Test pictures. The trainer's own, `sdlora sample` and the page's drawings all end in ``pipeline.draw``."""
