from small_models import text_encoder, unet  # noqa: F401  fixtures
