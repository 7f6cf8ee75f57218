"""Everything between a folder of pictures and cached latents."""

CACHE_FOLDER = ".sdlora_cache"  # of an image folder whose settings name no other cache
