"""The LoRA core: layers, injection into any module, named target sets, file formats, export and verification."""
