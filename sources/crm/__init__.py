"""CRM: who the customers are talked to by, what was said, offered, won and lost."""
