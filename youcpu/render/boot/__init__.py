"""A boot's stages as text, as a document, as a picture."""
