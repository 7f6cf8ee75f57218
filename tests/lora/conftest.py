import pytest
from small_models import make_text_encoder, make_unet


@pytest.fixture
def unet():
    return make_unet()


@pytest.fixture
def text_encoder():
    return make_text_encoder()
