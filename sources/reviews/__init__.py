"""Reviews: what customers say in public, and what the company answered."""
