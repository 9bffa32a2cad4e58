"""Newsletter and e-mail marketing: who asked for it, who confirmed, who opened what."""
